"""Events: which run and which stage finished, as CloudEvents 1.0, in structured and in binary form.

Owns the attributes, their checks and both encodings as pure mappings; knows no HTTP library. Refuses data:
an event carries references and a small summary. A dataset id travels as subject and partitionkey only.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from pydantic import Field, ValidationError

from geoingest.errors.delivery import EventMalformedError, EventTooLargeError
from geoingest.model.document import shown
from geoingest.model.door import DoorModel, Name, Scalar
from geoingest.model.problems import problems_of
from geoingest.naming import DATASET_ID, NAMESPACE
from geoingest.routing import (
    CHAIN,
    DATASET_EXPORTED,
    DATASET_LOADED,
    DATASET_TRANSFORMED,
    EVENT_TYPES,
    EXECUTIONS,
    INTENTS,
    RUN_FAILED,
    RUN_REQUESTED,
    Execution,
    Lane,
    Stage,
    lane_of,
    stage_taking,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geoingest.errors import GeoingestError

__all__ = [
    "DATASET_EXPORTED",
    "DATASET_LOADED",
    "DATASET_TRANSFORMED",
    "EVENT_TYPES",
    "RUN_FAILED",
    "RUN_REQUESTED",
    "Event",
    "EventData",
    "Summary",
    "event_id",
    "from_headers",
    "from_json",
    "next_event",
    "run_failed",
    "run_requested",
    "source_of",
    "to_body",
    "to_headers",
    "to_json",
]

# 64 KiB is all that CloudEvents guarantees; brokers add attributes of their own on the way.
MAX_BYTES: Final = 48 * 1024
STRUCTURED: Final = "application/cloudevents+json"
BINARY: Final = "application/json"

Summary: TypeAlias = dict[str, str | int | float | bool | None]

_EXTENSIONS: Final = ("lane", "intent", "runid", "execution", "partitionkey")
_ATTRIBUTES: Final = ("id", "type", "source", "subject", "time", *_EXTENSIONS)
_SOURCE = re.compile(r"/datasetingests/[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MESSAGE_CHARACTERS = 1024


class EventData(DoorModel):
    """The body: which attempt of which run, and what `stage` has to say; null before any stage.

    `token` is the run's own secret word: a function ignores an event whose token the run does not know.
    """

    run_id: Name = Field(max_length=36)
    stage: Stage | None = None
    attempt: int = Field(ge=1, le=2**31 - 1)
    token: Name = Field(max_length=128)
    summary: dict[Annotated[Name, Field(max_length=64)], Scalar | None] = Field(
        default_factory=dict, max_length=64
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One CloudEvent of one run. Every instance is valid and can be sent.

    `time` has a time zone; `partitionkey` and `subject` are the dataset id.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    lane: Lane
    intent: str
    runid: str
    execution: Execution
    partitionkey: str
    traceparent: str | None = None
    data: EventData

    def __post_init__(self) -> None:
        """Raises: EventMalformedError: an attribute has a form or a value that no event of ours has."""
        for name, value, holds in _rules(self):
            if not holds:
                raise EventMalformedError(f"the attribute {name} is {shown(value)}")


def source_of(*, namespace: str, name: str) -> str:
    """The `source` of every event of one DatasetIngest."""
    return f"/datasetingests/{namespace}/{name}"


def event_id(run_id: str, event_type: str, attempt: int) -> str:
    """The same for every sending of the same event, so that a repeated one is recognised."""
    return str(uuid.uuid5(NAMESPACE, f"event/{run_id}/{event_type}/{attempt}"))


def run_requested(
    *,
    run_id: str,
    attempt: int,
    token: str,
    namespace: str,
    name: str,
    dataset_id: str,
    intent: str,
    execution: Execution,
    time: datetime,
    summary: Summary | None = None,
    traceparent: str | None = None,
) -> Event:
    """The first event of a planned run."""
    return Event(
        id=event_id(run_id, RUN_REQUESTED, attempt),
        type=RUN_REQUESTED,
        source=source_of(namespace=namespace, name=name),
        subject=dataset_id,
        time=time,
        lane=lane_of(intent),
        intent=intent,
        runid=run_id,
        execution=execution,
        partitionkey=dataset_id,
        traceparent=traceparent,
        data=_read_data(
            {"run_id": run_id, "stage": None, "attempt": attempt, "token": token, "summary": summary or {}}
        ),
    )


def next_event(event: Event, *, time: datetime, summary: Summary | None = None) -> Event:
    """What the stage that `event` started says when it has finished.

    Raises: EventMalformedError: `event` starts no stage.
    """
    link = next((link for link in CHAIN if link.takes == event.type), None)
    if link is None:
        raise EventMalformedError(f"the type {event.type} starts no stage")
    return _answer(event, link.sends, stage=link.stage, time=time, summary=summary or {})


def run_failed(event: Event, *, error: GeoingestError, time: datetime) -> Event:
    """What the stage that `event` started says when it failed for good; null stage when it starts none."""
    summary: Summary = {"code": error.code, "message": error.message[:_MESSAGE_CHARACTERS].replace("\0", "")}
    return _answer(event, RUN_FAILED, stage=stage_taking(event.type), time=time, summary=summary)


def to_json(event: Event) -> bytes:
    """The structured form: one JSON object, for `application/cloudevents+json`. Raises: EventTooLargeError."""
    document = _attributes(event) | {"datacontenttype": BINARY, "data": event.data.model_dump(mode="json")}
    return _bounded(_compact(document))


def to_headers(event: Event) -> dict[str, str]:
    """The headers of the binary form; `to_body` makes its body.

    No value needs the percent-encoding of the HTTP binding: an event's checks leave only plain ASCII.
    """
    return {"content-type": BINARY} | {f"ce-{name}": value for name, value in _attributes(event).items()}


def to_body(event: Event) -> bytes:
    """The body of the binary form. Raises: EventTooLargeError."""
    return _bounded(_compact(event.data.model_dump(mode="json")))


def from_json(document: bytes | str) -> Event:
    """The event in a structured document; attributes that brokers add are dropped.

    Raises: EventMalformedError, EventTooLargeError.
    """
    value = _read_json(document)
    if not isinstance(value, dict):
        raise EventMalformedError(f"got {shown(value)}, expected a JSON object")
    return _read_event(value, value.get("datacontenttype", BINARY), value.get("data"))


def from_headers(headers: Mapping[str, str], body: bytes) -> Event:
    """The event in an HTTP request or response, in whichever of the two forms its content type announces.

    Raises: EventMalformedError, EventTooLargeError.
    """
    named = {name.lower(): value for name, value in headers.items()}
    content_type = named.get("content-type", "")
    if _media_type(content_type) == STRUCTURED:
        return from_json(body)
    attributes = {
        name.removeprefix("ce-"): _header_value(name, value)
        for name, value in named.items()
        if name.removeprefix("ce-") in {"specversion", "traceparent", *_ATTRIBUTES} and name.startswith("ce-")
    }
    return _read_event(attributes, content_type, _read_json(body))


def _answer(event: Event, event_type: str, *, stage: Stage | None, time: datetime, summary: Summary) -> Event:
    data = event.data.model_dump() | {"stage": stage, "summary": summary}
    return replace(
        event,
        id=event_id(event.runid, event_type, event.data.attempt),
        type=event_type,
        time=time,
        data=_read_data(data),
    )


def _rules(event: Event) -> Iterator[tuple[str, object, bool]]:
    """Each attribute's name, its value, and whether it belongs there; later ones trust the earlier."""
    trace, data = event.traceparent, event.data
    finished = next((link.stage for link in CHAIN if link.sends == event.type), None)
    yield "type", event.type, event.type in EVENT_TYPES
    yield "source", event.source, _SOURCE.fullmatch(event.source) is not None
    yield "subject", event.subject, DATASET_ID.fullmatch(event.subject) is not None
    yield "time", event.time, event.time.tzinfo is not None
    yield "intent", event.intent, event.intent in INTENTS
    yield "lane", event.lane, event.lane == lane_of(event.intent)
    yield "runid", event.runid, event.runid == data.run_id and _RUN_ID.fullmatch(event.runid) is not None
    yield "id", event.id, event.id == event_id(event.runid, event.type, data.attempt)
    yield "execution", event.execution, event.execution in EXECUTIONS
    yield "partitionkey", event.partitionkey, event.partitionkey == event.subject
    yield "traceparent", trace, trace is None or _TRACEPARENT.fullmatch(trace) is not None
    yield "data.stage", data.stage, event.type == RUN_FAILED or data.stage == finished


def _attributes(event: Event) -> dict[str, str]:
    known: dict[str, str] = {"specversion": "1.0"}
    known |= {name: getattr(event, name) for name in _ATTRIBUTES}
    known["time"] = event.time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return known if event.traceparent is None else known | {"traceparent": event.traceparent}


def _read_event(attributes: Mapping[str, object], content_type: object, data: object) -> Event:
    texts: dict[str, Any] = {name: _attribute(attributes, name) for name in _ATTRIBUTES}
    if _attribute(attributes, "specversion") != "1.0":
        raise EventMalformedError("the attribute specversion is not 1.0")
    if not isinstance(content_type, str) or _media_type(content_type) != BINARY:
        raise EventMalformedError(f"its data is {shown(content_type)}, expected {BINARY}")
    if attributes.get("traceparent") is not None:
        texts["traceparent"] = _attribute(attributes, "traceparent")
    texts["time"] = _read_time(texts["time"])
    return Event(**texts, data=_read_data(data))


def _attribute(attributes: Mapping[str, object], name: str) -> str:
    value = attributes.get(name)
    if not isinstance(value, str):
        raise EventMalformedError(f"the attribute {name} is {'missing' if value is None else shown(value)}")
    return value


def _read_data(data: object) -> EventData:
    try:
        return EventData.model_validate(data, by_alias=False, by_name=True)
    except ValidationError as error:
        problems = "; ".join(map(str, problems_of(error, EventData, "snake")))
        raise EventMalformedError(f"its data: {problems}") from None


def _read_json(document: bytes | str) -> object:
    _bounded(document.encode(errors="surrogatepass") if isinstance(document, str) else document)
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        raise EventMalformedError("its body is no JSON") from None


def _read_time(text: str) -> datetime:
    try:
        if _TIME.fullmatch(text) is not None:
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise EventMalformedError(f"the attribute time is {shown(text)}, expected an RFC 3339 time")


def _header_value(name: str, value: str) -> str:
    """The attribute in a header, by the HTTP binding: quotes taken off, then percent-decoded as UTF-8."""
    text = value.strip(" \t")
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        raise EventMalformedError(f"the header {name} is no percent-encoded UTF-8") from None


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _compact(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _bounded(encoded: bytes) -> bytes:
    if len(encoded) > MAX_BYTES:
        raise EventTooLargeError(size_bytes=len(encoded), limit_bytes=MAX_BYTES)
    return encoded
