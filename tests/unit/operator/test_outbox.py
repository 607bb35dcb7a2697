"""The outbox: what a run waits for is told from its document, and sent again only when nothing happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from geoingest.events import Event, next_event, to_json
from geoingest.model.run import RunError, RunStatus, StageState, StageStatus
from geoingest.runtime.liveness import hold_run
from geoingest.runtime.platform import Platform
from geoingest.settings import Settings
from geoingest.stores.ledger.runs import claim_stage, end_run, finish_stage, get_run
from geoingest.stores.objects.directory import DirectoryObjects
from geoingest_operator.finish import take_dead_letter
from geoingest_operator.outbox import due_events, next_event_of
from ledgers import open_ledger, planned_run, registered_run

HOUR = timedelta(hours=1)
STAGES = ("load", "transform", "export")


@pytest.fixture
def platform(tmp_path):
    documents = open_ledger(tmp_path / "ledger" / "ledger.sqlite")
    yield Platform(
        settings=Settings(home=tmp_path),
        documents=documents,
        objects=DirectoryObjects(tmp_path),
        holder="test",
    )
    documents.close()


def events_of(planned) -> list[Event]:
    events = [planned.event]
    for _ in STAGES:
        events.append(next_event(events[-1], time=datetime.now(UTC), summary={"rows": 1}))
    return events


@pytest.mark.parametrize("done", range(4))
@pytest.mark.parametrize("then", [StageStatus.WAITING, StageStatus.RUNNING])
def test_a_run_waits_for_the_answer_of_its_last_done_stage(done, then, tmp_path):
    planned = planned_run(tmp_path)
    events = events_of(planned)
    stages = {}
    for number, name in enumerate(STAGES):
        reply = to_json(events[number + 1]).decode()
        finished = StageState(status=StageStatus.DONE, reply=reply)
        stages[name] = finished if number < done else StageState(status=then if number == done else "waiting")
    run = planned.run.model_copy(update={"stages": stages})
    assert next_event_of(run) == events[done]


@pytest.mark.parametrize("status", [RunStatus.SUCCESS, RunStatus.FAILURE, RunStatus.CANCELED])
def test_a_run_that_is_over_waits_for_nothing(status, tmp_path):
    run = planned_run(tmp_path).run.model_copy(update={"status": status})
    assert next_event_of(run) is None


def test_only_a_silent_run_is_sent_again_and_by_one_operator(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    now = datetime.now(UTC)
    platform.documents.update("runs", {}, {"updated_at": now})
    assert list(due_events(platform, silent_for=HOUR)) == []
    platform.documents.update("runs", {}, {"updated_at": now - 2 * HOUR})
    assert list(due_events(platform, silent_for=HOUR)) == [planned.event]
    assert list(due_events(platform, silent_for=HOUR)) == []


def test_a_run_of_the_command_is_left_to_its_process(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    with hold_run(platform.settings, planned.run.run_id):
        assert list(due_events(platform, silent_for=timedelta(0))) == []
    assert list(due_events(platform, silent_for=timedelta(0))) == [planned.event]


def claimed(platform, planned, *, lease_s=60.0):
    return claim_stage(
        platform.documents,
        run_id=planned.run.run_id,
        stage="load",
        token="word",
        holder="h",
        lease_s=lease_s,
    )


def test_a_dead_letter_of_a_stage_that_is_done_or_worked_on_leaves_the_run_alone(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    claim = claimed(platform, planned)
    take_dead_letter(platform, planned.event, has_outbox=True)
    assert get_run(platform.documents, planned.run.run_id).status is RunStatus.RUNNING
    reply = to_json(events_of(planned)[1]).decode()
    assert finish_stage(platform.documents, claim, result={}, reply=reply)
    take_dead_letter(platform, planned.event, has_outbox=True)
    run = get_run(platform.documents, planned.run.run_id)
    assert (run.status, next_event_of(run).id) == (RunStatus.RUNNING, events_of(planned)[1].id)


def test_without_an_outbox_a_dead_letter_is_the_end_also_of_a_stage_that_looks_held(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    claimed(platform, planned)
    take_dead_letter(platform, planned.event, has_outbox=False)
    run = get_run(platform.documents, planned.run.run_id)
    assert (run.status, run.error.code) == (RunStatus.FAILURE, "DELIVERY_EXHAUSTED")


def test_a_stage_that_takes_its_server_down_each_time_ends_its_run(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    for tries in range(1, 6):
        assert get_run(platform.documents, planned.run.run_id).status is RunStatus.RUNNING
        claimed(platform, planned, lease_s=-1.0 if tries < 5 else 60.0)
    take_dead_letter(platform, planned.event, has_outbox=True)
    run = get_run(platform.documents, planned.run.run_id)
    assert (run.status, run.error.code) == (RunStatus.FAILURE, "DELIVERY_EXHAUSTED")


def test_a_dead_letter_after_the_end_changes_nothing(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    end_run(platform.documents, planned.run, status=RunStatus.CANCELED, error=RunError(code="X", message="m"))
    take_dead_letter(platform, planned.event, has_outbox=True)
    assert get_run(platform.documents, planned.run.run_id).error.code == "X"
