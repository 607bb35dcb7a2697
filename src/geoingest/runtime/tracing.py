"""Spans of deliveries, when OTEL_EXPORTER_OTLP_ENDPOINT is set and the `telemetry` extra is installed; else nothing.

A run is one trace: the span continues the `traceparent` of the event it takes, and the next event names the span.
Without tracing the `traceparent` travels on unchanged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from geoingest.events import Event

log = logging.getLogger(__name__)

_provider: TracerProvider | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """The event as it continues, naming the span; `tell` marks the span with the outcome."""

    event: Event
    tell: Callable[[str], None]


def configure_tracing(environment: Mapping[str, str], *, service: str) -> None:
    """Send spans of `service` where the standard OTEL variables say, from this process on (not across a fork)."""
    global _provider  # noqa: PLW0603  one provider a process, as OpenTelemetry has it
    if not environment.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter.otlp.proto.http") is None:
        log.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the extra `telemetry` is not installed: no traces"
        )
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    _provider = TracerProvider(resource=Resource.create({"service.name": service}))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


def flush_spans() -> None:
    """Send what is not sent yet; for a process about to end."""
    if _provider is not None:
        _provider.force_flush()


@contextmanager
def delivery_span(stage: str, event: Event) -> Iterator[Traced]:
    """A span around the delivery of `event` to `stage`; without tracing, the event as it is."""
    if _provider is None:
        yield Traced(event=event, tell=lambda _: None)
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    propagator = TraceContextTextMapPropagator()
    before = propagator.extract({"traceparent": event.traceparent} if event.traceparent else {})
    attributes = {
        "geoingest.run_id": event.runid,
        "geoingest.dataset_id": event.subject,
        "cloudevents.event_id": event.id,
        "cloudevents.event_type": event.type,
    }
    with _provider.get_tracer("geoingest").start_as_current_span(
        f"geoingest {stage}", context=before, kind=SpanKind.CONSUMER, attributes=attributes
    ) as span:
        carrier: dict[str, str] = {}
        propagator.inject(carrier)
        yield Traced(
            event=replace(event, traceparent=carrier["traceparent"]),
            tell=lambda outcome: span.set_attribute("geoingest.outcome", outcome),
        )
