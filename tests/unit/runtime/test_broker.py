"""The local broker keeps a broker's rules: what is delivered next, what again, what ends as a dead letter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from geoingest.events import next_event
from geoingest.runtime.broker import LocalBroker, RetryPolicy
from geoingest.runtime.delivery import Reply
from ledgers import planned_run

POLICY = RetryPolicy(retries=3, backoff_s=0.001)


@pytest.fixture
def event(tmp_path):
    return planned_run(tmp_path).event


def broker(subscribers, dead=None):
    return LocalBroker(subscribers, dead_letter=(dead if dead is not None else []).append, policy=POLICY)


def test_each_answered_event_goes_to_its_subscriber_by_the_trigger_table(event):
    seen = []

    def answer(name):
        def subscriber(delivered):
            seen.append((name, delivered.type))
            return Reply(status=200, event=next_event(delivered, time=datetime.now(UTC)))

        return subscriber

    def operator(delivered):
        seen.append(("operator", delivered.type))
        return Reply(status=204)

    stages = {name: answer(name) for name in ("load", "transform", "export")}
    broker(stages | {"operator": operator}).publish(event)
    assert seen == [
        ("load", "dev.geoingest.run.requested.v1"),
        ("transform", "dev.geoingest.dataset.loaded.v1"),
        ("export", "dev.geoingest.dataset.transformed.v1"),
        ("operator", "dev.geoingest.dataset.exported.v1"),
    ]


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 503])
def test_an_answer_that_may_change_is_asked_for_again(event, status):
    answers = [Reply(status=status), Reply(status=status), Reply(status=204)]
    dead = []
    broker({"load": lambda _: answers.pop(0)}, dead).publish(event)
    assert (answers, dead) == ([], [])


@pytest.mark.parametrize("status", [200, 202, 204, 400, 403])
def test_any_other_answer_is_final(event, status):
    answers = [Reply(status=status), Reply(status=500)]
    broker({"load": lambda _: answers.pop(0)}).publish(event)
    assert answers == [Reply(status=500)]


def test_an_event_that_never_gets_through_becomes_a_dead_letter_once(event):
    tries, dead = [], []

    def down(delivered):
        tries.append(delivered)
        return Reply(status=503)

    broker({"load": down}, dead).publish(event)
    assert (len(tries), dead) == (POLICY.retries + 1, [event])
