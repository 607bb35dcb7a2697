"""Runs in the ledger: registering, claiming a stage with a lease, ending a stage, ending a run.

Every change is a compare-and-set on the run document, so that of two holders one wins and the other
is told. A claim is a lease: it must be renewed, and once it ran out anybody may take the stage over.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from geoingest.model.records import Dataset, ManifestRecord
from geoingest.model.run import STAGES, Run, RunError, RunStatus, StageStatus
from geoingest.stores.ledger.activity import record_activity
from geoingest.stores.ledger.clock import ledger_now
from geoingest.stores.ledger.collections import DATASETS, MANIFESTS, RUNS
from geoingest.stores.ledger.documents import Documents
from geoingest.stores.ledger.settling import settle_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to work on one stage of one run until the lease runs out."""

    run: Run
    stage: str
    claim_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a stage was not claimed.

    `done`: it ended before, `reply` is the event that was answered then, as JSON text. `busy`: a live holder
    works on it.
    `ignored`: no such run, another token, a stage out of order, or a run that is over.
    """

    reason: Literal["done", "busy", "ignored"]
    reply: str | None = None


def register_run(documents: Documents, *, run: Run, manifest: ManifestRecord, dataset: Dataset) -> Run:
    """The run as it stands in the ledger: `run`, or the earlier one with its id when it was registered before."""

    def register() -> bool:
        # The run last: it is what others act upon. The log is written again, should the first try have been cut.
        documents.insert_new(DATASETS.name, dataset.model_dump())
        documents.insert_new(MANIFESTS.name, manifest.model_dump())
        new = documents.insert_new(RUNS.name, run.model_dump())
        manifested = ("manifest", manifest.manifest_id)
        record_activity(documents, user=run.operator, action="create_manifest", resource=manifested)
        record_activity(documents, user=run.operator, action="run_started", resource=("run", run.run_id))
        return new

    new = documents.transact(register)
    return run if new else get_run(documents, run.run_id) or run


def reject_manifest(documents: Documents, manifest: ManifestRecord) -> None:
    """Record a manifest that never ran, with its reasons."""

    def reject() -> None:
        documents.insert_new(MANIFESTS.name, manifest.model_dump())
        details = {"code": manifest.error.code, "message": manifest.error.message} if manifest.error else {}
        record_activity(
            documents,
            user=manifest.uploader or "unknown",
            action="reject_manifest",
            resource=("manifest", manifest.manifest_id),
            details=details,
        )

    documents.transact(reject)


def get_run(documents: Documents, run_id: str) -> Run | None:
    """The run, or null when the ledger has none with this id."""
    found = documents.find(RUNS.name, {"run_id": run_id}, limit=1)
    return Run.model_validate(found[0]) if found else None


def claim_stage(
    documents: Documents, *, run_id: str, stage: str, token: str, holder: str, lease_s: float
) -> Claim | Refusal:
    """The claim, or why there is none. Claiming again after one's own crash waits for the lease to run out."""
    run = get_run(documents, run_id)
    if run is None or run.token != token:
        return Refusal(reason="ignored")
    if run.stages[stage].reply is not None:
        return Refusal(reason="done", reply=run.stages[stage].reply)
    if run.status is not RunStatus.RUNNING or not _reached(run, stage):
        return Refusal(reason="ignored")
    claim_id, now = uuid.uuid4().hex, ledger_now()
    at = f"stages.{stage}"
    free = {f"{at}.status": StageStatus.WAITING}
    expired = {f"{at}.status": StageStatus.RUNNING, f"{at}.expires_at": {"$lt": now}}
    values = {
        "updated_at": now,
        f"{at}.status": StageStatus.RUNNING,
        f"{at}.claim_id": claim_id,
        f"{at}.holder": holder,
        f"{at}.claims": run.stages[stage].claims + 1,
        f"{at}.started_at": now,
        f"{at}.expires_at": now + timedelta(seconds=lease_s),
    }
    won = documents.update(
        RUNS.name, {"run_id": run_id, "status": RunStatus.RUNNING, "$or": [free, expired]}, values
    )
    return Claim(run=run, stage=stage, claim_id=claim_id) if won else Refusal(reason="busy")


def _reached(run: Run, stage: str) -> bool:
    before = STAGES[: STAGES.index(stage)]
    return all(run.stages[name].status is StageStatus.DONE for name in before)


def renew_claim(documents: Documents, claim: Claim, *, lease_s: float) -> bool:
    """False when the claim is no longer ours: it ran out and was taken, or the run was ended."""
    now = ledger_now()
    values = {f"stages.{claim.stage}.expires_at": now + timedelta(seconds=lease_s), "updated_at": now}
    return documents.update(RUNS.name, _held(claim), values) == 1


def release_claim(documents: Documents, claim: Claim, error: RunError) -> None:
    """Give the stage back for another try, keeping `error` as what stood in the way of this one."""
    at = f"stages.{claim.stage}"
    values = {
        f"{at}.status": StageStatus.WAITING,
        f"{at}.claim_id": None,
        f"{at}.expires_at": None,
        f"{at}.last_error": error.model_dump(mode="json"),
        "updated_at": ledger_now(),
    }
    documents.update(RUNS.name, _held(claim), values)


def finish_stage(
    documents: Documents,
    claim: Claim,
    *,
    result: dict[str, Any],
    reply: str,
    warnings: tuple[str, ...] = (),
    commit: Callable[[Documents, datetime], dict[str, Any]] | None = None,
) -> bool:
    """Record the stage as done with its reply; False, and nothing changed, when the claim was lost.

    `commit` does what belongs to the same transaction (the asset and its lineage) and returns further
    values for the run document.
    """
    now = ledger_now()

    def finish() -> bool:
        values = _ended(claim, StageStatus.DONE, reply, now) | {f"stages.{claim.stage}.result": result}
        values |= _warned(claim, warnings)
        if commit is not None:
            # Taking hold of the run document first keeps everybody else from ending it meanwhile.
            if documents.update(RUNS.name, _held(claim), {"updated_at": now}) == 0:
                return False
            values |= commit(documents, now)
        return _settled(documents, claim.run, _held(claim), values)

    return documents.transact(finish)


def fail_stage(documents: Documents, claim: Claim, *, error: RunError, reply: str) -> bool:
    """End the run as failed at this stage; False, and nothing written, when the claim was lost."""
    now = ledger_now()
    values = _ended(claim, StageStatus.FAILED, reply, now) | _over(RunStatus.FAILURE, error, now)
    return documents.transact(lambda: _settled(documents, claim.run, _held(claim), values))


def end_run(documents: Documents, run: Run, *, status: RunStatus, error: RunError) -> bool:
    """End a running run from outside its stages (cancel, abandon, dead letter); False when it had ended."""
    running = {"run_id": run.run_id, "status": RunStatus.RUNNING}
    values = _over(status, error, ledger_now())
    return documents.transact(lambda: _settled(documents, run, running, values))


def _settled(documents: Documents, run: Run, where: dict[str, Any], values: dict[str, Any]) -> bool:
    if documents.update(RUNS.name, where, values) == 0:
        return False
    changed = get_run(documents, run.run_id)
    if changed is not None:
        settle_run(documents, changed)
    return True


def _over(status: RunStatus, error: RunError, now: datetime) -> dict[str, Any]:
    return {"status": status, "error": error.model_dump(mode="json"), "completed_at": now, "updated_at": now}


def _held(claim: Claim) -> dict[str, Any]:
    at = f"stages.{claim.stage}"
    return {
        "run_id": claim.run.run_id,
        "status": RunStatus.RUNNING,
        f"{at}.claim_id": claim.claim_id,
        f"{at}.status": StageStatus.RUNNING,
    }


def _ended(claim: Claim, status: StageStatus, reply: str, now: datetime) -> dict[str, Any]:
    at = f"stages.{claim.stage}"
    return {
        "updated_at": now,
        f"{at}.status": status,
        f"{at}.finished_at": now,
        f"{at}.expires_at": None,
        f"{at}.reply": reply,
    }


def _warned(claim: Claim, warnings: tuple[str, ...]) -> dict[str, Any]:
    return {"warnings": [*claim.run.warnings, *warnings]} if warnings else {}
