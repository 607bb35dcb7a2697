"""A delivery that is seen: its log lines bound to it, its span, its metrics."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from geoingest.runtime.delivery import Reply, deliver
from geoingest.runtime.logs import bound
from geoingest.runtime.metrics import record_delivery
from geoingest.runtime.tracing import delivery_span

if TYPE_CHECKING:
    from geoingest.events import Event
    from geoingest.runtime.platform import Platform
    from geoingest.runtime.stage import Stage

log = logging.getLogger(__name__)


def deliver_observed(event: Event, stage: Stage, platform: Platform) -> Reply:
    """As `deliver`, and told to logs, metrics and traces."""
    started = time.monotonic()
    with (
        bound(
            secret=event.data.token,
            run_id=event.runid,
            dataset_id=event.subject,
            stage=stage.name,
            event_id=event.id,
        ),
        delivery_span(stage.name, event) as traced,
    ):
        reply = deliver(traced.event, stage, platform)
        seconds = time.monotonic() - started
        traced.tell(reply.outcome)
        record_delivery(stage.name, reply, seconds=seconds)
        fields = {"outcome": reply.outcome, "status": reply.status, "seconds": round(seconds, 3)}
        log.info("delivered: %s", reply.outcome, extra={"fields": fields})
    return reply
