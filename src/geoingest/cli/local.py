"""The whole chain in one process: the planner, the three stages and the local broker, put together."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import geoingest_export
import geoingest_load
import geoingest_transform
from geoingest.errors.run import RunCanceledError
from geoingest.events import Event
from geoingest.model.ingest import Ingest
from geoingest.model.run import Run, RunError, RunStatus
from geoingest.runtime.broker import LocalBroker, Subscriber
from geoingest.runtime.delivery import Reply, deliver
from geoingest.runtime.liveness import hold_run
from geoingest.runtime.platform import Platform
from geoingest.runtime.stage import Stage
from geoingest.stores.ledger.runs import end_run, get_run, register_run
from geoingest_operator.finish import finish_run, take_dead_letter
from geoingest_operator.plan import Planned, gather_facts, plan_run

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
        now=datetime.now(UTC),
        manifest_path=manifest_path,
    )


@contextmanager
def registered(platform: Platform, planned: Planned) -> Iterator[None]:
    """A scope in which the run is in the ledger and shown as alive.

    An interruption (Ctrl-C, SIGTERM) inside cancels the run; whatever way it ends, nothing transient is left.
    """
    run = planned.run
    with hold_run(platform.settings, run.run_id):
        register_run(platform.documents, run=run, manifest=planned.manifest, dataset=planned.dataset)
        try:
            yield
        except KeyboardInterrupt:
            canceled = RunError.model_validate(RunCanceledError(run_id=run.run_id).as_dict())
            end_run(platform.documents, run, status=RunStatus.CANCELED, error=canceled)
            raise
        finally:
            finish_run(platform, run.run_id)


def run_planned(platform: Platform, planned: Planned, *, watch: Watcher) -> Run:
    """The registered run after its chain of events came to an end, whatever way."""
    broker = LocalBroker(subscribers(platform, watch), dead_letter=partial(take_dead_letter, platform))
    broker.publish(planned.event)
    return get_run(platform.documents, planned.run.run_id) or planned.run


def subscribers(platform: Platform, watch: Watcher) -> dict[str, Subscriber]:
    """Who takes the events of the trigger table in this process, by the table's names."""

    def stage_subscriber(stage: Stage) -> Subscriber:
        return lambda event: deliver(event, stage, platform, on_rows=partial(watch, stage.name))

    def operator(event: Event) -> Reply:
        finish_run(platform, event.data.run_id)
        return Reply(status=204)

    return {name: stage_subscriber(stage) for name, stage in STAGES.items()} | {"operator": operator}
