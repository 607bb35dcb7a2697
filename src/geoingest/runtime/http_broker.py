"""The HTTP broker: delivers events to function servers by the trigger table, as a Knative Broker does.

An event goes out in binary form. An answer of 2xx with an event ends the delivery and the event is delivered next;
2xx without a body ends it; a 2xx body that is no event of ours counts as 502. No answer, a time-out and the other
answers of `broker.RETRIED` are tried again after a back-off that doubles; at the end, and after any other answer at
once, the event becomes a dead letter with the facts that Knative gives it. Many deliveries go on at once, of one
dataset too. Refuses to keep anything durable: the run document is the outbox, and whoever owns it sends again.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import count
from urllib.parse import urlsplit

from geoingest.errors.delivery import EventMalformedError, EventTooLargeError
from geoingest.events import Event, from_headers, to_body, to_headers
from geoingest.routing import subscriber_of
from geoingest.runtime.broker import ACCEPTED, RetryPolicy, Subscriber

log = logging.getLogger(__name__)

# What stands for an answer that did not come, and for one that is no event.
NO_ANSWER, NO_EVENT, DEFECT = 504, 502, 500
# As much of a refusing answer as Knative keeps.
ERROR_BYTES = 1024
# What a broker waits for one answer: a stage has to be over by then.
TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an HTTP server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# URL, headers, body. Raises: OSError, HTTPException: no whole answer came in time.
Post = Callable[[str, dict[str, str], bytes], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one try went: the status, the next event if there is one, the start of a refusing answer."""

    status: int
    event: Event | None = None
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that could not be delivered: to whom, and what the last try brought (`knativeerror...` of Knative)."""

    event: Event
    error_dest: str
    error_code: int
    error_data: bytes


# The event that was delivered, who took it, the event that was answered.
Watcher = Callable[[Event, str, Event | None], None]


class HttpBroker:
    """Delivers what is published to the servers at `addresses` (stage name to URL), the last events to `operator`.

    Args: dead_letter: takes what could not be delivered; watch: is told of every accepted delivery; workers: how many
        deliveries go on at once. Both are called in the broker's threads, and what they raise is logged.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        *,
        operator: Subscriber,
        dead_letter: Callable[[DeadLetter], None],
        policy: RetryPolicy,
        watch: Watcher,
        post: Post | None = None,
        workers: int = 4,
    ) -> None:
        self._addresses = addresses
        self._operator = operator
        self._dead_letter = dead_letter
        self._policy = policy
        self._watch = watch
        self._post = post or post_http
        self._changed = threading.Condition()
        # Due time, order of arrival, event, tries so far: what is due first is delivered first.
        self._waiting: list[tuple[float, int, Event, int]] = []
        self._numbers = count()
        self._in_hand: set[str] = set()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"broker-{n}", daemon=True) for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def publish(self, event: Event) -> bool:
        """Deliver `event`, and then what follows from it; False when it is in hand already."""
        with self._changed:
            if event.id in self._in_hand:
                return False
            self._in_hand.add(event.id)
            self._put(event, tries=0, pause_s=0.0)
        return True

    def is_idle(self) -> bool:
        """Whether nothing is being delivered and nothing waits for it."""
        with self._changed:
            return not self._in_hand

    def close(self, *, wait_s: float = 0.0) -> None:
        """Begin no further delivery, and give those that go on `wait_s` to end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        until = time.monotonic() + wait_s
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def _put(self, event: Event, *, tries: int, pause_s: float) -> None:
        heapq.heappush(self._waiting, (time.monotonic() + pause_s, next(self._numbers), event, tries))
        self._changed.notify()

    def _take(self) -> tuple[Event, int] | None:
        with self._changed:
            while not self._closed:
                pause_s = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if pause_s is not None and pause_s <= 0:
                    _, _, event, tries = heapq.heappop(self._waiting)
                    return event, tries
                self._changed.wait(pause_s)
        return None

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            event, tries = taken
            self._deliver(event, tries + 1)

    def _deliver(self, event: Event, tries: int) -> None:
        name = subscriber_of(event.type, event.execution)
        outcome = Outcome(status=ACCEPTED.start) if name is None else self._send(name, event)
        pause_s = self._policy.pause_s(outcome.status, tries=tries)
        if pause_s is not None:
            with self._changed:
                self._put(event, tries=tries, pause_s=pause_s)
            return
        if outcome.status in ACCEPTED:
            _attempt(lambda: self._watch(event, name or "", outcome.event))
        else:
            letter = DeadLetter(
                event=event,
                error_dest=self._addresses.get(name or "", ""),
                error_code=outcome.status,
                error_data=outcome.data,
            )
            _attempt(lambda: self._dead_letter(letter))
        self._end(event, outcome.event)

    def _end(self, event: Event, successor: Event | None) -> None:
        # In one step: between an event and its successor the broker is not idle.
        with self._changed:
            self._in_hand.discard(event.id)
            if successor is not None and successor.id not in self._in_hand:
                self._in_hand.add(successor.id)
                self._put(successor, tries=0, pause_s=0.0)

    def _send(self, name: str, event: Event) -> Outcome:
        try:
            if name == "operator":
                reply = self._operator(event)
                return Outcome(status=reply.status, event=reply.event)
            return read_answer(self._post(self._addresses[name], to_headers(event), to_body(event)))
        except (OSError, HTTPException) as error:
            return Outcome(status=NO_ANSWER, data=type(error).__name__.encode())
        except Exception:  # the boundary: a broker outlives whatever happens in one delivery
            log.exception("defect in delivering %s", event.id)
            return Outcome(status=DEFECT)


def read_answer(answer: Answer) -> Outcome:
    """What the answer means to a broker."""
    if answer.status not in ACCEPTED:
        return Outcome(status=answer.status, data=answer.body[:ERROR_BYTES])
    if not answer.body:
        return Outcome(status=answer.status)
    try:
        return Outcome(status=answer.status, event=from_headers(answer.headers, answer.body))
    except (EventMalformedError, EventTooLargeError):
        return Outcome(status=NO_EVENT, data=answer.body[:ERROR_BYTES])


def post_http(url: str, headers: dict[str, str], body: bytes) -> Answer:
    """The whole answer to one POST. Raises: OSError, HTTPException: there was none in time."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", parts.path or "/", body=body, headers=headers)
        response = connection.getresponse()
        return Answer(status=response.status, headers=dict(response.getheaders()), body=response.read())
    finally:
        connection.close()


def _attempt(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:  # the boundary: what is lost here, the outbox finds
        log.exception("defect in what follows a delivery")
