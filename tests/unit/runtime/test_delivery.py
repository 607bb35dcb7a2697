"""One delivery: what is answered, and what stands in the ledger afterwards."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

import pytest

import stages
from geoingest.errors.run import RunCanceledError
from geoingest.events import DATASET_LOADED, RUN_FAILED
from geoingest.model.run import RunError, RunStatus, StageStatus
from geoingest.runtime.delivery import Reply, deliver
from geoingest.runtime.platform import Platform
from geoingest.settings import Settings
from geoingest.stores.ledger.runs import claim_stage, end_run, get_run, register_run
from geoingest.stores.objects.directory import DirectoryObjects
from ledgers import open_ledger, planned_run, registered_run


@pytest.fixture(autouse=True)
def _fresh_stages():
    stages.calls.clear()
    stages.started.clear()
    stages.go_on.clear()


@pytest.fixture
def platform(tmp_path):
    documents = open_ledger(tmp_path / "ledger.sqlite")
    settings = Settings(home=tmp_path, lease_s=0.3)
    yield Platform(settings=settings, documents=documents, objects=DirectoryObjects(tmp_path), holder="test")
    documents.close()


@pytest.fixture
def planned(platform, tmp_path):
    return registered_run(platform.documents, tmp_path)


def state(platform, planned):
    return get_run(platform.documents, planned.run.run_id)


def test_a_stage_that_succeeds_answers_with_the_next_event_and_keeps_its_facts(platform, planned):
    reply = deliver(planned.event, stages.stage("succeed"), platform)
    assert (reply.status, reply.event.type, reply.event.data.summary) == (200, DATASET_LOADED, {"rows": 3})
    run = state(platform, planned)
    assert (run.stages["load"].status, run.stages["load"].result, run.warnings) == (
        StageStatus.DONE,
        {"rows": 3},
        ("mind",),
    )


def test_a_redelivered_event_gets_the_recorded_answer_and_does_nothing_twice(platform, planned):
    first = deliver(planned.event, stages.stage("succeed"), platform)
    assert deliver(planned.event, stages.stage("succeed"), platform) == first
    assert len(stages.calls) == 1


def test_a_permanent_error_ends_the_run_and_is_answered_not_retried(platform, planned):
    reply = deliver(planned.event, stages.stage("refuse"), platform)
    assert (reply.status, reply.event.type, reply.event.data.summary["code"]) == (
        200,
        RUN_FAILED,
        "TEST_BROKEN",
    )
    run = state(platform, planned)
    assert run.status is RunStatus.FAILURE
    assert run.error == RunError(code="TEST_BROKEN", message="a.gpkg: broken", hint="mend it", stage="load")
    assert deliver(planned.event, stages.stage("refuse"), platform) == reply


def test_a_transient_error_gives_the_stage_back_until_it_succeeds(platform, planned):
    statuses = [deliver(planned.event, stages.stage("stumble"), platform).status for _ in range(3)]
    assert statuses == [503, 503, 200]
    assert state(platform, planned).stages["load"].last_error["code"] == "TEST_DOWN"


def test_a_defect_is_500_and_its_words_stay_in_the_log(platform, planned, caplog):
    with caplog.at_level(logging.ERROR):
        assert deliver(planned.event, stages.stage("crash"), platform) == Reply(status=500)
    run = state(platform, planned)
    assert run.status is RunStatus.RUNNING
    assert "hunter2" not in run.model_dump_json()
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda e: replace(e, data=e.data.model_copy(update={"token": "guess"})), id="wrong token"
        ),
    ],
)
def test_an_event_that_does_not_fit_its_run_is_acknowledged_without_effect(platform, planned, change):
    before = state(platform, planned)
    assert deliver(change(planned.event), stages.stage("succeed"), platform) == Reply(status=204)
    assert (stages.calls, state(platform, planned)) == ([], before)


def test_an_event_of_an_unknown_run_is_acknowledged_without_effect(platform, tmp_path):
    assert deliver(planned_run(tmp_path).event, stages.stage("succeed"), platform) == Reply(status=204)


def test_an_event_of_a_canceled_run_is_acknowledged_without_effect(platform, planned):
    error = RunError.model_validate(RunCanceledError(run_id=planned.run.run_id).as_dict())
    end_run(platform.documents, planned.run, status=RunStatus.CANCELED, error=error)
    assert deliver(planned.event, stages.stage("succeed"), platform) == Reply(status=204)
    assert stages.calls == []


def test_a_stage_in_other_hands_is_409_and_is_taken_over_when_they_fall_silent(platform, planned):
    claim_stage(
        platform.documents, run_id=planned.run.run_id, stage="load", token="word", holder="other", lease_s=0.2
    )
    assert deliver(planned.event, stages.stage("succeed"), platform) == Reply(status=409)
    time.sleep(0.25)
    assert deliver(planned.event, stages.stage("succeed"), platform).status == 200


def test_delivered_twice_at_once_the_stage_runs_once(platform, planned):
    replies: list[Reply] = []
    first = threading.Thread(
        target=lambda: replies.append(deliver(planned.event, stages.stage("wait"), platform))
    )
    first.start()
    stages.started.wait(10)
    assert deliver(planned.event, stages.stage("wait"), platform) == Reply(status=409)
    stages.go_on.set()
    first.join()
    assert [reply.status for reply in replies] == [200]


def test_the_heartbeat_keeps_a_claim_that_outlives_its_lease(platform, planned):
    replies: list[Reply] = []
    first = threading.Thread(
        target=lambda: replies.append(deliver(planned.event, stages.stage("wait"), platform))
    )
    first.start()
    stages.started.wait(10)
    time.sleep(platform.settings.lease_s * 2)
    assert deliver(planned.event, stages.stage("succeed"), platform) == Reply(status=409)
    stages.go_on.set()
    first.join()
    assert [reply.status for reply in replies] == [200]


def test_a_run_canceled_while_a_stage_works_stays_canceled_and_leaves_no_work_folder(platform, planned):
    replies: list[Reply] = []
    work = threading.Thread(
        target=lambda: replies.append(deliver(planned.event, stages.stage("wait"), platform))
    )
    work.start()
    stages.started.wait(10)
    error = RunError.model_validate(RunCanceledError(run_id=planned.run.run_id).as_dict())
    end_run(platform.documents, planned.run, status=RunStatus.CANCELED, error=error)
    time.sleep(platform.settings.lease_s)
    stages.go_on.set()
    work.join()
    assert [(reply.status, reply.event) for reply in replies] == [(204, None)]
    assert state(platform, planned).status is RunStatus.CANCELED
    assert list((platform.settings.scratch / planned.run.run_id).iterdir()) == []


def test_a_run_past_its_deadline_fails_with_that_reason(platform, tmp_path):
    planned = planned_run(tmp_path, deadline_s=1)
    register_run(platform.documents, run=planned.run, manifest=planned.manifest, dataset=planned.dataset)
    deliver(planned.event, stages.stage("succeed"), platform)
    run = state(platform, planned)
    assert (run.status, run.error.code) == (RunStatus.FAILURE, "DEADLINE_EXCEEDED")
