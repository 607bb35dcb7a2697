"""The whole chain in one process: the planner, the three stages and the local broker, put together."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

import geoingest_export
import geoingest_load
import geoingest_transform
from geoingest.errors import GeoingestError
from geoingest.errors.run import RunCanceledError
from geoingest.events import Event
from geoingest.model.ingest import Ingest
from geoingest.model.run import Run, RunError, RunStatus
from geoingest.runtime.broker import LocalBroker, Subscriber
from geoingest.runtime.delivery import Reply, deliver
from geoingest.runtime.liveness import hold_run
from geoingest.runtime.platform import Platform
from geoingest.runtime.stage import Stage
from geoingest.stores.ledger.clock import ledger_now
from geoingest.stores.ledger.runs import end_run, get_run, register_run
from geoingest_operator.finish import finish_run, take_dead_letter
from geoingest_operator.intake import archive_manifest
from geoingest_operator.plan import Planned, gather_facts, plan_run

log = logging.getLogger(__name__)

# Stage name, rows done, rows in all or null.
Watcher = Callable[[str, int, int | None], None]

STAGES: dict[str, Stage] = {
    stage.name: stage for stage in (geoingest_load.STAGE, geoingest_transform.STAGE, geoingest_export.STAGE)
}


def plan_ingest(platform: Platform, ingest: Ingest, *, manifest_path: str | None = None) -> Planned:
    """The plan of an ingest's first attempt, nothing written yet.

    Raises: PermanentError: a source is missing, or the lane is switched off.
    """
    sources = gather_facts(ingest, platform.objects, platform.settings)
    return plan_run(
        ingest,
        sources,
        platform.settings,
        token=secrets.token_hex(16),
        now=ledger_now(),
        manifest_path=manifest_path,
    )


def run_planned(platform: Platform, planned: Planned, *, watch: Watcher, manifest: Path | None = None) -> Run:
    """The run after it ended, whatever way: registered, its manifest file archived, its chain of events delivered.

    An interruption (Ctrl-C, SIGTERM) cancels the run. Nothing transient is left, unless a store is away by then.
    """
    run = planned.run
    with hold_run(platform.settings, run.run_id):
        register_run(platform.documents, run=run, manifest=planned.manifest, dataset=planned.dataset)
        try:
            if manifest is not None:
                archive_manifest(platform, run.manifest_id, manifest)
            broker = LocalBroker(
                subscribers(platform, watch),
                dead_letter=partial(take_dead_letter, platform, has_outbox=False),
            )
            broker.publish(planned.event)
        except KeyboardInterrupt:
            canceled = RunError.model_validate(RunCanceledError(run_id=run.run_id).as_dict())
            end_run(platform.documents, run, status=RunStatus.CANCELED, error=canceled)
        finally:
            _clean_up(platform, run.run_id)
    return get_run(platform.documents, run.run_id) or run


def subscribers(platform: Platform, watch: Watcher) -> dict[str, Subscriber]:
    """Who takes the events of the trigger table in this process, by the table's names."""

    def stage_subscriber(stage: Stage) -> Subscriber:
        return lambda event: deliver(event, stage, platform, on_rows=partial(watch, stage.name))

    def operator(event: Event) -> Reply:
        _clean_up(platform, event.data.run_id)
        return Reply(status=204)

    return {name: stage_subscriber(stage) for name, stage in STAGES.items()} | {"operator": operator}


def _clean_up(platform: Platform, run_id: str) -> None:
    try:
        finish_run(platform, run_id)
    except GeoingestError as error:
        # How the run ended is recorded; what it left, the janitor of the next command finds.
        log.warning("run %s is not cleaned up yet: %s", run_id, error)
