"""One delivery of one event to one stage: claim, run the stage, record its result and reply, reply.

Delivering twice, late, out of order or twice at once has the effect of delivering once:

- a stage that is done answers with the event that was recorded then (200);
- a stage that another live holder works on answers 409, so that the broker comes again later;
- an event of an unknown or finished run, or with a wrong token, is acknowledged without effect (204);
- a `PermanentError` ends the run and answers with `run.failed` (200): no retry would mend it;
- a `TransientError` gives the claim back and answers 503, a defect 500; both are retried.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from geoingest.errors import GeoingestError, PermanentError, TransientError
from geoingest.errors.run import ClaimLostError, DeadlineExceededError, StoreUnavailableError
from geoingest.events import Event, from_json, next_event, run_failed, to_json
from geoingest.model.run import RunError
from geoingest.runtime.faults import reached
from geoingest.runtime.heartbeat import Heartbeat
from geoingest.runtime.platform import Platform
from geoingest.runtime.stage import Progress, Stage, StageResult, Task
from geoingest.stores.ledger.runs import Claim, Refusal, claim_stage, fail_stage, finish_stage, release_claim

log = logging.getLogger(__name__)

OK, IGNORED, BUSY, DEFECT, UNAVAILABLE = 200, 204, 409, 500, 503


# What became of a delivery, for those who watch; `repeated` answers as it was answered then.
Outcome: TypeAlias = Literal[
    "done", "failed", "repeated", "busy", "ignored", "claim_lost", "unavailable", "defect"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a delivery: an HTTP status and, with 200, the next event."""

    status: int
    event: Event | None = None
    outcome: Outcome = field(default="ignored", compare=False)


def deliver(event: Event, stage: Stage, platform: Platform, *, on_rows: Progress | None = None) -> Reply:
    """Do `stage` for the run that `event` names, at most once, and answer.

    `on_rows` is told (rows done, rows in all or null) while the stage works. Never raises a GeoingestError.
    """
    try:
        reached(f"{stage.name}.claim.before")
        claim = claim_stage(
            platform.documents,
            run_id=event.data.run_id,
            stage=stage.name,
            token=event.data.token,
            holder=platform.holder,
            lease_s=platform.settings.lease_s,
        )
        if isinstance(claim, Refusal):
            return _refused(claim)
        reached(f"{stage.name}.claim.after")
        return _work(event, stage, platform, claim, on_rows or _silent)
    except TransientError as error:
        log.warning("%s of run %s: %s", stage.name, event.data.run_id, error)
        return Reply(status=UNAVAILABLE, outcome="unavailable")


def _refused(refusal: Refusal) -> Reply:
    if refusal.reply is not None:
        return Reply(status=OK, event=from_json(refusal.reply), outcome="repeated")
    if refusal.reason == "busy":
        return Reply(status=BUSY, outcome="busy")
    return Reply(status=IGNORED, outcome="ignored")


def _work(event: Event, stage: Stage, platform: Platform, claim: Claim, on_rows: Progress) -> Reply:
    try:
        with Heartbeat(platform.documents, claim, lease_s=platform.settings.lease_s) as heartbeat:
            result = _run_stage(stage, platform, claim, _checked(on_rows, heartbeat.check))
            heartbeat.check()
            return _finish(event, platform, claim, result)
    except ClaimLostError:
        return Reply(status=BUSY, outcome="claim_lost")
    except PermanentError as error:
        return _fail(event, platform, claim, error)
    except TransientError as error:
        log.warning("%s of run %s: %s", stage.name, claim.run.run_id, error)
        _release(platform, claim, error)
        return Reply(status=UNAVAILABLE, outcome="unavailable")
    except Exception as error:  # the boundary: a defect must not leak to the broker as anything but 500
        log.exception("defect in %s of run %s", stage.name, claim.run.run_id)
        _release(platform, claim, GeoingestError(f"a defect in {stage.name}: {type(error).__name__}"))
        return Reply(status=DEFECT, outcome="defect")


def _run_stage(stage: Stage, platform: Platform, claim: Claim, on_rows: Progress) -> StageResult:
    run = claim.run
    if run.plan.deadline_at is not None and datetime.now(UTC) > run.plan.deadline_at:
        raise DeadlineExceededError(stage=stage.name)
    scratch = platform.settings.scratch / run.run_id
    with _work_dir(scratch / f"work-{claim.claim_id}") as work_dir:
        task = Task(
            run=run,
            objects=platform.objects,
            documents=platform.documents,
            landing_bucket=platform.settings.landing_bucket,
            lake_bucket=platform.settings.lake_bucket,
            scratch=scratch,
            work_dir=work_dir,
            threads=platform.settings.threads,
            on_rows=on_rows,
            postgis_dsn=platform.settings.postgis_dsn,
        )
        return stage.lane_function(run.lane)(task)


def _finish(event: Event, platform: Platform, claim: Claim, result: StageResult) -> Reply:
    successor = next_event(event, time=datetime.now(UTC), summary=result.summary)
    reached(f"{claim.stage}.reply.before")
    done = finish_stage(
        platform.documents,
        claim,
        result=result.facts,
        reply=to_json(successor).decode(),
        warnings=result.warnings,
        commit=result.commit,
    )
    if not done:
        raise ClaimLostError(run_id=claim.run.run_id, stage=claim.stage)
    reached(f"{claim.stage}.reply.after")
    return Reply(status=OK, event=successor, outcome="done")


def _fail(event: Event, platform: Platform, claim: Claim, error: PermanentError) -> Reply:
    failure = run_failed(event, error=error, time=datetime.now(UTC))
    reason = RunError.model_validate(error.as_dict(stage=claim.stage))
    if not fail_stage(platform.documents, claim, error=reason, reply=to_json(failure).decode()):
        return Reply(status=IGNORED, outcome="claim_lost")
    return Reply(status=OK, event=failure, outcome="failed")


def _release(platform: Platform, claim: Claim, error: GeoingestError) -> None:
    release_claim(platform.documents, claim, RunError.model_validate(error.as_dict(stage=claim.stage)))


def _checked(on_rows: Progress, check: Callable[[], None]) -> Progress:
    def report(done: int, total: int | None) -> None:
        check()
        on_rows(done, total)

    return report


def _silent(done: int, total: int | None) -> None:
    """Nobody watches."""


@contextmanager
def _work_dir(path: Path) -> Iterator[Path]:
    try:
        path.mkdir(parents=True)
        yield path
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
            raise
        raise StoreUnavailableError(
            where="scratch space", reason=error.strerror or "input/output error"
        ) from error
    finally:
        shutil.rmtree(path, ignore_errors=True)
