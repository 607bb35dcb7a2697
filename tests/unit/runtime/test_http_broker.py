"""The HTTP broker keeps Knative's rules, seen through the one function that would open a connection."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from geoingest.errors.run import LedgerUnavailableError
from geoingest.events import from_headers, next_event, run_failed, to_body, to_headers
from geoingest.runtime.broker import RetryPolicy
from geoingest.runtime.delivery import Reply
from geoingest.runtime.http_broker import Answer, DeadLetter, HttpBroker
from ledgers import planned_run

POLICY = RetryPolicy(retries=3, backoff_s=0.001)
STAGES = ("load", "transform", "export")
ADDRESSES = {name: f"http://{name}/" for name in STAGES}
EMPTY = Answer(status=204, headers={}, body=b"")


@pytest.fixture
def event(tmp_path):
    return planned_run(tmp_path).event


def status(code: int, body: bytes = b"") -> Answer:
    return Answer(status=code, headers={"content-type": "text/html"}, body=body)


def answering(event) -> Answer:
    return Answer(status=200, headers=to_headers(event), body=to_body(event))


def successor(event):
    return next_event(event, time=datetime.now(UTC))


def work(url, headers, body) -> Answer:
    """What a function does: answers with the next event."""
    return answering(successor(from_headers(headers, body)))


class Chain:
    """A broker over `post`, and everything that it said to the outside."""

    def __init__(self, post, *, operator=None, workers=2, policy=POLICY):
        self.posted, self.finished, self.dead, self.accepted = [], [], [], []
        self._post = post

        def finish(event):
            self.finished.append(event)
            return Reply(status=204)

        self.broker = HttpBroker(
            ADDRESSES,
            operator=operator or finish,
            dead_letter=self.dead.append,
            policy=policy,
            watch=lambda event, name, answer: self.accepted.append((name, event.type, answer)),
            post=self._posting,
            workers=workers,
        )

    def _posting(self, url, headers, body):
        self.posted.append((url, headers, body))
        return self._post(url, headers, body)

    def publish(self, *events):
        for event in events:
            assert self.broker.publish(event)
        self.settle()
        return self

    def settle(self):
        until = time.monotonic() + 20
        while not self.broker.is_idle():
            assert time.monotonic() < until
            time.sleep(0.001)
        self.broker.close(wait_s=5)


def in_turn(*answers):
    left = list(answers)

    def post(url, headers, body):
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    post.left = left
    return post


def test_each_answered_event_is_posted_in_binary_form_to_the_next_function(event):
    chain = Chain(work).publish(event)
    events = [event]
    for _ in STAGES:
        events.append(successor(events[-1]))
    assert [url for url, _, _ in chain.posted] == [ADDRESSES[name] for name in STAGES]
    assert [from_headers(headers, body).type for _, headers, body in chain.posted] == [
        each.type for each in events[:3]
    ]
    assert all(headers["content-type"] == "application/json" for _, headers, _ in chain.posted)
    assert [each.id for each in chain.finished] == [events[-1].id]
    assert [(name, kind) for name, kind, _ in chain.accepted] == [
        (name, each.type) for name, each in zip((*STAGES, "operator"), events, strict=True)
    ]
    assert chain.dead == []


@pytest.mark.parametrize(
    "trouble",
    [
        *(pytest.param(status(code), id=str(code)) for code in (404, 408, 409, 429, 500, 502, 503)),
        pytest.param(ConnectionRefusedError(), id="no-answer"),
        pytest.param(TimeoutError(), id="time-out"),
        pytest.param(status(200, b"OK"), id="2xx-that-is-no-event"),
    ],
)
def test_what_may_change_is_tried_again_until_it_does(event, trouble):
    post = in_turn(trouble, trouble, EMPTY)
    chain = Chain(post).publish(event)
    assert (post.left, chain.dead) == ([], [])
    assert len({headers["ce-id"] for _, headers, _ in chain.posted}) == 1


@pytest.mark.parametrize(
    ("answer", "code", "data"),
    [
        pytest.param(status(503, b"away"), 503, b"away", id="unavailable"),
        pytest.param(status(200, b"OK"), 502, b"OK", id="no-event"),
        pytest.param(ConnectionResetError(), 504, b"ConnectionResetError", id="no-answer"),
        pytest.param(status(500, b"x" * 5000), 500, b"x" * 1024, id="long"),
    ],
)
def test_what_never_gets_through_becomes_a_dead_letter_with_its_facts(event, answer, code, data):
    tries = POLICY.retries + 1
    chain = Chain(in_turn(*[answer] * tries)).publish(event)
    assert len(chain.posted) == tries
    assert chain.dead == [
        DeadLetter(event=event, error_dest=ADDRESSES["load"], error_code=code, error_data=data)
    ]
    assert chain.accepted == []


@pytest.mark.parametrize("code", [400, 401, 403, 413, 431])
def test_a_final_refusal_is_a_dead_letter_at_once(event, code):
    chain = Chain(in_turn(status(code))).publish(event)
    assert [letter.error_code for letter in chain.dead] == [code]


@pytest.mark.parametrize("code", [200, 202, 204])
def test_an_empty_answer_ends_the_delivery(event, code):
    chain = Chain(in_turn(status(code))).publish(event)
    assert (len(chain.posted), chain.dead, chain.finished) == (1, [], [])


def test_a_failure_goes_to_the_operator(event):
    failed = run_failed(event, error=LedgerUnavailableError(ledger="x", reason="y"), time=datetime.now(UTC))
    chain = Chain(in_turn(answering(failed))).publish(event)
    assert [each.type for each in chain.finished] == ["dev.geoingest.run.failed.v1"]


def test_an_event_that_is_in_hand_is_not_taken_twice(event):
    going_on, go = threading.Event(), threading.Event()

    def post(url, headers, body):
        going_on.set()
        assert go.wait(10)
        return EMPTY

    chain = Chain(post)
    assert chain.broker.publish(event)
    assert going_on.wait(10)
    assert chain.broker.publish(event) is False
    go.set()
    chain.settle()
    assert len(chain.posted) == 1


def test_runs_of_one_dataset_are_delivered_at_once(tmp_path):
    events = [planned_run(tmp_path, uid=f"u{n}").event for n in range(4)]
    together = threading.Barrier(4)

    def post(url, headers, body):
        together.wait(10)
        return EMPTY

    chain = Chain(post, workers=4).publish(*events)
    assert (len(chain.posted), chain.dead) == (4, [])


def test_a_back_off_keeps_no_other_run_waiting(tmp_path):
    first, second = (planned_run(tmp_path, uid=uid).event for uid in ("u1", "u2"))
    answers = {first.id: [status(503), EMPTY], second.id: [EMPTY]}

    def post(url, headers, body):
        return answers[headers["ce-id"]].pop(0)

    chain = Chain(post, workers=1, policy=RetryPolicy(retries=1, backoff_s=0.3)).publish(first, second)
    assert [headers["ce-id"] for _, headers, _ in chain.posted] == [first.id, second.id, first.id]


def test_a_defect_of_the_operator_is_tried_again_and_does_not_end_the_broker(event):
    calls = []

    def operator(delivered):
        calls.append(delivered)
        raise ZeroDivisionError

    chain = Chain(work, operator=operator).publish(event)
    assert len(calls) == POLICY.retries + 1
    assert [letter.error_code for letter in chain.dead] == [500]


def test_a_closed_broker_begins_no_delivery(event):
    chain = Chain(work)
    chain.broker.close(wait_s=5)
    assert chain.broker.publish(event)
    time.sleep(0.05)
    assert chain.posted == []
