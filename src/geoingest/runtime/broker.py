"""The local broker: delivers events in this process by the trigger table, with a broker's retries.

It keeps Knative's rules where they matter to a stage: an answer of 2xx ends a delivery and its event is
delivered next; no answer, 5xx, 404, 408, 409 and 429 are tried again after a back-off; at the end, and after any
other answer at once, the event goes to the dead letter sink. It keeps nothing: the run document is what survives a
crash. `http_broker` delivers to function servers by the same policy.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from geoingest.events import Event
from geoingest.routing import subscriber_of
from geoingest.runtime.delivery import Reply

Subscriber = Callable[[Event], Reply]
ACCEPTED = range(200, 300)
RETRIED = frozenset({404, 408, 409, 429, *range(500, 600)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a delivery is tried again, and the first pause; each further pause is twice as long."""

    retries: int = 3
    backoff_s: float = 0.2

    def pause_s(self, status: int, *, tries: int) -> float | None:
        """How long to wait when try number `tries`, from 1, was answered with `status`; null: no more tries."""
        if status not in RETRIED or tries > self.retries:
            return None
        return self.backoff_s * 2.0 ** (tries - 1)


class LocalBroker:
    """Delivers what is published to `subscribers` (named as in the trigger table) until nothing is left."""

    def __init__(
        self,
        subscribers: Mapping[str, Subscriber],
        *,
        dead_letter: Callable[[Event], None],
        policy: RetryPolicy | None = None,
    ) -> None:
        self._subscribers = subscribers
        self._dead_letter = dead_letter
        self._policy = policy or RetryPolicy()

    def publish(self, event: Event) -> None:
        """Deliver `event` and every event that follows from it, one after the other."""
        queue = deque([event])
        while queue:
            current = queue.popleft()
            name = subscriber_of(current.type, current.execution)
            if name is None:
                continue
            reply = self._deliver(self._subscribers[name], current)
            if reply.event is not None:
                queue.append(reply.event)

    def _deliver(self, subscriber: Subscriber, event: Event) -> Reply:
        for tries in count(1):
            reply = subscriber(event)
            pause_s = self._policy.pause_s(reply.status, tries=tries)
            if pause_s is None:
                break
            time.sleep(pause_s)
        if reply.status not in ACCEPTED:
            self._dead_letter(event)
        return reply
