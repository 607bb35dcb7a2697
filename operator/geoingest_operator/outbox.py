"""The outbox: what a run is waiting for, told from its document alone, and sent again when nothing happens.

No broker is trusted to keep an event. Sending one twice is harmless: it has the same id, and a stage that is done or
busy says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from geoingest.events import Event, from_json
from geoingest.model.run import STAGES, Run, RunStatus, StageStatus
from geoingest.runtime.liveness import known_locks
from geoingest.runtime.platform import Platform
from geoingest.stores.ledger.collections import RUNS
from geoingest_operator.plan import first_event


def next_event_of(run: Run) -> Event | None:
    """The event that moves the run on: the reply of the last stage that is done, or the first event.

    Null when the run is over. The same one, with the same id, however often it is asked for.
    """
    if run.status is not RunStatus.RUNNING:
        return None
    replies = [run.stages[name].reply for name in STAGES if run.stages[name].status is StageStatus.DONE]
    last = replies[-1] if replies else None
    return first_event(run) if last is None else from_json(last)


def due_events(platform: Platform, *, silent_for: timedelta) -> Iterator[Event]:
    """The next event of every running run in whose document nothing happened for `silent_for`.

    The run is marked as touched with each, so that of two operators one sends, and so that no janitor takes what waits
    in a long queue for abandoned. A run that a `geoingest run` holds, or held, is not ours.
    """
    cutoff = datetime.now(UTC) - silent_for
    quiet = {"status": RunStatus.RUNNING, "updated_at": {"$lt": cutoff}}
    runs = platform.documents.find(RUNS.name, quiet, sort=[("created_at", 1)])
    # Locks after runs: a lock is made before its run is recorded.
    held = set(known_locks(platform.settings))
    for run in map(Run.model_validate, runs):
        touched = {"updated_at": datetime.now(UTC)}
        if run.run_id in held or not platform.documents.update(
            RUNS.name, quiet | {"run_id": run.run_id}, touched
        ):
            continue
        event = next_event_of(run)
        if event is not None:
            yield event
