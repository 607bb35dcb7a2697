"""Events survive both encodings, are read by another CloudEvents implementation, and nothing else passes."""

import json
import re
import uuid
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http
from hypothesis import given, settings
from hypothesis import strategies as st

from geoingest.errors.delivery import EventMalformedError, EventTooLargeError
from geoingest.errors.manifest import LaneDisabledError
from geoingest.events import (
    DATASET_EXPORTED,
    DATASET_LOADED,
    DATASET_TRANSFORMED,
    MAX_BYTES,
    RUN_FAILED,
    RUN_REQUESTED,
    Event,
    EventData,
    event_id,
    from_headers,
    from_json,
    next_event,
    run_failed,
    run_requested,
    to_body,
    to_headers,
    to_json,
)
from geoingest.routing import INTENTS

RUN = "9b2f6c1e-5a3d-5e0f-8c7b-1d2e3f4a5b6c"
TOKEN = uuid.UUID(int=5).hex
NOON = datetime(2024, 5, 6, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(seconds=1.5)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
REQUESTED = run_requested(
    run_id=RUN,
    attempt=1,
    token=TOKEN,
    namespace="city",
    name="parcels",
    dataset_id="Parcels_2023.v1",
    intent="ingest_vector",
    execution="service",
    time=NOON,
    summary={"files": 2},
    traceparent=TRACE,
)

# What the HTTP binding sends as it is: printable ASCII but space, quote and percent.
PLAIN = "".join(set(map(chr, range(0x21, 0x7F))) - {'"', "%"})
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SUMMARIES = st.dictionaries(
    st.from_regex(r"[a-z_]{1,12}", fullmatch=True),
    TEXTS
    | st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    max_size=5,
)
REQUESTS = st.builds(
    run_requested,
    run_id=st.uuids().map(str),
    attempt=st.integers(1, 2**31 - 1),
    token=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    namespace=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True),
    name=st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True),
    dataset_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True),
    intent=st.sampled_from(sorted(INTENTS)),
    execution=st.sampled_from(["service", "job"]),
    time=st.builds(
        lambda after, zone: (NOON + after).astimezone(zone),
        st.timedeltas(-timedelta(days=9999), timedelta(days=9999)),
        st.sampled_from([UTC, timezone(timedelta(hours=-9))]),
    ),
    summary=SUMMARIES,
    traceparent=st.none() | st.just(TRACE),
)


def structured(**changes):
    """The requested event as a structured document with attributes changed; null removes one."""
    document = json.loads(to_json(REQUESTED)) | changes
    return json.dumps({name: value for name, value in document.items() if value is not None})


def test_the_first_event_of_a_run_names_everything_it_is_about():
    assert json.loads(to_json(REQUESTED)) == {
        "specversion": "1.0",
        "id": event_id(RUN, RUN_REQUESTED, 1),
        "type": "dev.geoingest.run.requested.v1",
        "source": "/datasetingests/city/parcels",
        "subject": "Parcels_2023.v1",
        "time": "2024-05-06T12:00:00Z",
        "lane": "vector",
        "intent": "ingest_vector",
        "runid": RUN,
        "execution": "service",
        "partitionkey": "Parcels_2023.v1",
        "traceparent": TRACE,
        "datacontenttype": "application/json",
        "data": {"run_id": RUN, "stage": None, "attempt": 1, "token": TOKEN, "summary": {"files": 2}},
    }


def test_the_binary_form_says_the_same_in_headers_and_body():
    assert to_headers(REQUESTED) == {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": event_id(RUN, RUN_REQUESTED, 1),
        "ce-type": "dev.geoingest.run.requested.v1",
        "ce-source": "/datasetingests/city/parcels",
        "ce-subject": "Parcels_2023.v1",
        "ce-time": "2024-05-06T12:00:00Z",
        "ce-lane": "vector",
        "ce-intent": "ingest_vector",
        "ce-runid": RUN,
        "ce-execution": "service",
        "ce-partitionkey": "Parcels_2023.v1",
        "ce-traceparent": TRACE,
    }
    assert json.loads(to_body(REQUESTED)) == json.loads(to_json(REQUESTED))["data"]


def test_a_repeated_event_has_the_same_id_and_any_other_another():
    ids = {
        event_id(run, kind, attempt)
        for run in (RUN, str(uuid.UUID(int=7)))
        for kind in (RUN_REQUESTED, RUN_FAILED)
        for attempt in (1, 2)
    }
    assert len(ids) == 8
    assert replace(REQUESTED, time=LATER).id == REQUESTED.id


def test_each_stage_answers_with_the_event_the_next_one_takes():
    loaded = next_event(REQUESTED, time=LATER, summary={"rows": 3})
    transformed = next_event(loaded, time=LATER)
    exported = next_event(transformed, time=LATER)
    assert loaded == replace(
        REQUESTED,
        id=event_id(RUN, DATASET_LOADED, 1),
        type=DATASET_LOADED,
        time=LATER,
        data=EventData(run_id=RUN, stage="load", attempt=1, token=TOKEN, summary={"rows": 3}),
    )
    assert [(event.type, event.data.stage, event.data.summary) for event in (transformed, exported)] == [
        (DATASET_TRANSFORMED, "transform", {}),
        (DATASET_EXPORTED, "export", {}),
    ]


def test_an_event_that_ends_a_run_has_no_successor():
    failed = run_failed(REQUESTED, error=LaneDisabledError(lane="join", enabled=()), time=LATER)
    with pytest.raises(EventMalformedError, match="starts no stage"):
        next_event(failed, time=LATER)


def test_a_failure_names_its_stage_its_code_and_its_message():
    loaded = next_event(REQUESTED, time=NOON)
    failed = run_failed(loaded, error=LaneDisabledError(lane="join", enabled=["vector"]), time=LATER)
    assert (failed.type, failed.data.stage, failed.data.summary) == (
        RUN_FAILED,
        "transform",
        {"code": "LANE_DISABLED", "message": "the join lane is switched off here; enabled: vector"},
    )


def test_a_failure_with_an_endless_message_is_still_an_event():
    failed = run_failed(REQUESTED, error=LaneDisabledError(lane="x" * 10_000 + "\0", enabled=()), time=LATER)
    assert len(to_json(failed)) < 4096


@settings(deadline=None)
@given(REQUESTS)
def test_an_event_survives_both_encodings(event):
    assert from_json(to_json(event)) == event
    assert from_headers(to_headers(event), to_body(event)) == event
    answer = next_event(event, time=event.time)
    assert from_json(to_json(answer)) == answer


@settings(deadline=None)
@given(REQUESTS)
def test_every_attribute_is_plain_enough_for_any_transport(event):
    attributes = to_headers(event)
    del attributes["content-type"]
    for name, value in attributes.items():
        assert re.fullmatch(r"ce-[a-z0-9]{1,20}", name)
        assert quote(value, safe=PLAIN) == value


def test_a_dataset_id_travels_only_as_subject_and_partition_key():
    document = json.loads(to_json(REQUESTED))
    holders = {name for name, value in document.items() if "Parcels_2023.v1" in json.dumps(value)}
    assert holders == {"subject", "partitionkey"}


@settings(deadline=None)
@given(REQUESTS)
def test_another_implementation_reads_our_events(event):
    forms = [
        ({"content-type": "application/cloudevents+json"}, to_json(event)),
        (to_headers(event), to_body(event)),
    ]
    for headers, body in forms:
        theirs = from_http(headers, body)
        attributes = dict(theirs.get_attributes())
        assert attributes.pop("specversion") == "1.0"
        assert attributes.pop("datacontenttype", "application/json") == "application/json"
        assert datetime.fromisoformat(attributes.pop("time")) == event.time
        ours = {f.name: getattr(event, f.name) for f in fields(Event) if f.name not in {"time", "data"}}
        assert attributes == {name: value for name, value in ours.items() if value is not None}
        assert theirs.get_data() == event.data.model_dump()


@settings(deadline=None)
@given(REQUESTS, st.sampled_from([to_structured, to_binary]))
def test_our_events_are_read_from_another_implementation(event, encode):
    document = json.loads(to_json(event))
    data = document.pop("data")
    headers, body = encode(CloudEvent(document, data))
    assert from_headers(headers, body) == event


def test_what_a_broker_adds_is_dropped():
    added = {"knativearrivaltime": "2024-05-06T12:00:01Z", "knativehistory": "a b", "tracestate": "x=y"}
    assert from_json(structured(**added)) == REQUESTED
    headers = to_headers(REQUESTED) | {f"ce-{name}": value for name, value in added.items()}
    headers |= {"host": "x", "intent": "ingest_raster", "ce-data": "{}"}
    assert from_headers(headers, to_body(REQUESTED)) == REQUESTED


def test_header_names_have_no_case_and_values_may_be_encoded():
    headers = {name.upper(): f" {value} " for name, value in to_headers(REQUESTED).items()}
    headers |= {"CE-SUBJECT": "%50arcels_2023%2Ev1", "CE-SOURCE": '"/datasetingests/city\\/parcels"'}
    assert from_headers(headers, to_body(REQUESTED)) == REQUESTED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"specversion": None}, "the attribute specversion is missing", id="no specversion"),
        pytest.param({"specversion": "0.3"}, "the attribute specversion is not 1.0", id="old specversion"),
        pytest.param({"id": None}, "the attribute id is missing", id="no id"),
        pytest.param({"id": "7"}, "the attribute id is '7'", id="foreign id"),
        pytest.param({"id": 7}, "the attribute id is 7", id="id is no string"),
        pytest.param(
            {"type": "dev.geoingest.run.requested.v2"},
            "the attribute type is 'dev.geoingest.run.requested.v2'",
            id="unknown type",
        ),
        pytest.param({"source": "/other"}, "the attribute source is '/other'", id="foreign source"),
        pytest.param({"subject": "a/b"}, "the attribute subject is 'a/b'", id="subject is no dataset id"),
        pytest.param({"partitionkey": "b"}, "the attribute partitionkey is 'b'", id="another partition"),
        pytest.param(
            {"time": "yesterday"},
            "the attribute time is 'yesterday', expected an RFC 3339 time",
            id="no time",
        ),
        pytest.param(
            {"time": "2024-05-06T12:00:00"},
            "the attribute time is '2024-05-06T12:00:00', expected an RFC 3339 time",
            id="time without zone",
        ),
        pytest.param(
            {"time": "2024-02-30T12:00:00Z"},
            "the attribute time is '2024-02-30T12:00:00Z', expected an RFC 3339 time",
            id="no such day",
        ),
        pytest.param(
            {"time": "0001-01-01T00:00:00+14:00"},
            "the attribute time is '0001-01-01T00:00:00+14:00', expected an RFC 3339 time",
            id="before all time",
        ),
        pytest.param({"lane": "raster"}, "the attribute lane is 'raster'", id="lane of another intent"),
        pytest.param({"intent": "ingest_x"}, "the attribute intent is 'ingest_x'", id="unknown intent"),
        pytest.param(
            {"runid": str(uuid.UUID(int=1))}, f"the attribute runid is '{uuid.UUID(int=1)}'", id="another run"
        ),
        pytest.param({"execution": "lambda"}, "the attribute execution is 'lambda'", id="unknown execution"),
        pytest.param({"traceparent": "x"}, "the attribute traceparent is 'x'", id="no trace"),
        pytest.param(
            {"datacontenttype": "text/xml"}, "its data is 'text/xml', expected application/json", id="XML"
        ),
        pytest.param({"data": None}, "its data: got null, expected a mapping", id="no data"),
        pytest.param(
            {"data": {"run_id": RUN, "stage": "load", "attempt": 1, "token": "t"}},
            "the attribute data.stage is 'load'",
            id="a stage before any stage",
        ),
        pytest.param(
            {"data": {"run_id": 7, "attempt": 0, "summary": {"a": []}, "x": 1}},
            "its data: run_id: got 7, expected a string; attempt: got 0, expected 1 or more; "
            "token: got nothing, expected a string; "
            "summary.a: got a list, expected a string, an integer of 64 bits, a finite number or a boolean; "
            "x: got an unknown key, expected one of run_id, stage, attempt, token, summary",
            id="wrong data",
        ),
    ],
)
def test_a_malformed_event_is_refused_with_the_reason(changes, reason):
    with pytest.raises(EventMalformedError) as refused:
        from_json(structured(**changes))
    assert refused.value.message == f"the event is malformed: {reason}"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({}, b"{}", id="no headers"),
        pytest.param({"content-type": "application/cloudevents-batch+json"}, b"[]", id="a batch"),
        pytest.param({"content-type": "application/cloudevents+json"}, b"[]", id="no object"),
        pytest.param({"content-type": "application/cloudevents+json"}, b"\xff", id="no text"),
        pytest.param({"content-type": "application/cloudevents+json"}, b"[" * 40_000, id="deep"),
        pytest.param(to_headers(REQUESTED), b"", id="no body"),
        pytest.param(to_headers(REQUESTED) | {"content-type": "text/plain"}, to_body(REQUESTED), id="text"),
        pytest.param(to_headers(REQUESTED) | {"ce-subject": "%ff"}, to_body(REQUESTED), id="no UTF-8"),
        pytest.param(to_headers(REQUESTED) | {"ce-subject": "a%zz"}, to_body(REQUESTED), id="no encoding"),
    ],
)
def test_a_malformed_request_is_refused(headers, body):
    with pytest.raises(EventMalformedError):
        from_headers(headers, body)


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300))
def test_any_document_is_an_event_or_malformed(document):
    with pytest.raises(EventMalformedError):
        from_json(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from(sorted(json.loads(to_json(REQUESTED)))), JSON)
def test_any_attribute_is_right_or_malformed(name, value):
    try:
        event = from_json(json.dumps(json.loads(to_json(REQUESTED)) | {name: value}))
    except EventMalformedError as error:
        error.message.encode()
    else:
        # Only what means the same may differ.
        assert event == REQUESTED or (name == "traceparent" and value is None)


def test_an_event_with_data_in_it_is_refused_on_both_sides():
    huge = next_event(REQUESTED, time=NOON, summary={f"k{n}": "x" * 1000 for n in range(60)})
    for encode in (to_json, to_body):
        with pytest.raises(EventTooLargeError) as refused:
            encode(huge)
        assert refused.value.code == "EVENT_TOO_LARGE"
    with pytest.raises(EventTooLargeError):
        from_json(b" " * MAX_BYTES + to_json(REQUESTED))


def test_a_naive_time_is_no_time():
    with pytest.raises(EventMalformedError, match="the attribute time"):
        replace(REQUESTED, time=NOON.replace(tzinfo=None))
