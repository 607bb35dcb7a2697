"""What Prometheus may ask a function: deliveries by stage and outcome, seconds of a stage, rows.

The library is loaded with the first delivery or the first question, not at the start.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

    from geoingest.runtime.delivery import Reply

# Seconds; the last is the longest that one request may take anywhere.
BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
# The outcomes in which a stage worked to its end.
WORKED = ("done", "failed")
_making = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """The metrics of this process."""

    deliveries: Counter
    seconds: Histogram
    rows: Counter
    claims_lost: Counter


def record_delivery(stage: str, reply: Reply, *, seconds: float) -> None:
    """Count a delivery that took so long; only one that did the stage's work counts into its seconds and rows."""
    instruments = _instruments()
    instruments.deliveries.labels(stage, reply.outcome).inc()
    if reply.outcome == "claim_lost":
        instruments.claims_lost.labels(stage).inc()
    if reply.outcome in WORKED:
        instruments.seconds.labels(stage).observe(seconds)
    rows = reply.event.data.summary.get("rows") if reply.event and reply.outcome == "done" else None
    if isinstance(rows, int):
        instruments.rows.labels(stage).inc(rows)


def exposition() -> tuple[bytes, str]:
    """The metrics in Prometheus' text format, and its content type."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    _instruments()
    return generate_latest(), CONTENT_TYPE_LATEST


def _instruments() -> Instruments:
    # A cache alone would let two first deliveries at once both register: the library refuses the second.
    with _making:
        return _made()


@cache
def _made() -> Instruments:
    from prometheus_client import Counter, Histogram

    return Instruments(
        deliveries=Counter("geoingest_deliveries", "Deliveries of events by outcome.", ("stage", "outcome")),
        seconds=Histogram(
            "geoingest_stage_seconds",
            "Seconds of the deliveries that did the work.",
            ("stage",),
            buckets=BUCKETS,
        ),
        rows=Counter("geoingest_rows", "Rows that stages finished with.", ("stage",)),
        claims_lost=Counter(
            "geoingest_claims_lost", "Stages taken over while they were at work.", ("stage",)
        ),
    )
