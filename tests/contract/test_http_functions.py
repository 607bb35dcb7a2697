"""The functions as HTTP servers: each one a real process, driven as a broker drives it.

Events are forwarded as they were answered, headers and bytes, and judged by the CloudEvents SDK.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import from_http

from contract.function_server import AGAIN, STAGES, forwarded, message_of, served
from e2e.home import assert_at_rest, documents
from geoingest.cli import local
from geoingest.cli.sources import DataOptions, identified, ingest_of_files
from geoingest.runtime.platform import open_platform
from geoingest.settings import read_settings
from geoingest.stores.ledger.runs import register_run
from geoingest_operator.finish import finish_run
from geoingest_operator.plan import first_event
from sources import write_sample

EXPORTED, FAILED = "dev.geoingest.dataset.exported.v1", "dev.geoingest.run.failed.v1"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home for all servers; at the end nothing may be left in it, whatever order the tests ran in."""
    home = tmp_path_factory.mktemp("home")
    yield home
    assert_at_rest(home)


@pytest.fixture(scope="module")
def servers(home, tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    variables = {"GEOINGEST_HOME": str(home)}
    with (
        served("load", logs / "load", variables) as load,
        served("transform", logs / "transform", variables) as transform,
        served("export", logs / "export", variables) as export,
    ):
        yield dict(zip(STAGES, (load, transform, export), strict=True))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("in")
    return {
        name: write_sample(name, folder / name)
        for name in ("gpkg", "geojson", "fgb", "kml", "gml", "geojsonseq")
    }


@pytest.fixture
def platform(home):
    with open_platform(read_settings({}, home=home)) as platform:
        yield platform


def plan(platform, source: Path, **options: str):
    """A registered run of `source`, and its first event in the binary form."""
    ingest = ingest_of_files(platform, (str(source),), DataOptions(**options))
    planned = local.plan_ingest(platform, identified(ingest, name="test"))
    register_run(platform.documents, run=planned.run, manifest=planned.manifest, dataset=planned.dataset)
    return planned.run, message_of(planned.event)


def run_document(home: Path, run_id: str):
    [run] = [run for run in documents(home, "runs") if run["run_id"] == run_id]
    return run


def available(home: Path, run_id: str):
    return [
        asset
        for asset in documents(home, "assets")
        if asset["run_id"] == run_id and asset["status"] == "available"
    ]


def to_binary_form(headers, body):
    return to_binary(from_http(headers, body))


def to_structured_form(headers, body):
    return to_structured(from_http(headers, body))


@pytest.mark.parametrize("form", [to_binary_form, to_structured_form])
def test_a_run_goes_from_function_to_function_and_ends_as_an_available_asset(
    form, servers, platform, home, sources
):
    run, message = plan(platform, sources["gpkg"], dataset_id=f"by-{form.__name__}")
    types = []
    for stage in STAGES:
        answer = servers[stage].post(*form(*message))
        assert answer.status == 200, answer
        event = answer.event
        types.append(event["type"])
        assert (event["subject"], event["runid"], event["specversion"]) == (run.dataset_id, run.run_id, "1.0")
        assert len(answer.body) < 64 * 1024
        message = forwarded(answer)
    assert types == ["dev.geoingest.dataset.loaded.v1", "dev.geoingest.dataset.transformed.v1", EXPORTED]
    [asset] = available(home, run.run_id)
    assert (asset["version"], asset["row_count"]) == (1, 5)
    assert run_document(home, run.run_id)["status"] == "success"
    assert finish_run(platform, run.run_id)


def test_a_repeated_delivery_answers_the_same_event_and_does_nothing(servers, platform, home, sources):
    run, message = plan(platform, sources["fgb"], dataset_id="repeated")
    for stage in STAGES:
        first = servers[stage].post(*message)
        again = servers[stage].post(*message)
        structured = servers[stage].post(*to_structured_form(*message))
        assert first.status == again.status == structured.status == 200
        assert forwarded(first) == forwarded(again) == forwarded(structured)
        message = forwarded(first)
    assert len(available(home, run.run_id)) == 1
    late = servers["load"].post(*message_of(first_event(run)))
    assert late.event["type"] == "dev.geoingest.dataset.loaded.v1"
    assert {state["claims"] for state in run_document(home, run.run_id)["stages"].values()} == {1}
    finish_run(platform, run.run_id)


def test_two_deliveries_at_once_do_the_work_once(servers, platform, home, sources):
    run, message = plan(platform, sources["geojson"], dataset_id="at-once")
    for stage in STAGES:
        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(servers[stage].post, *message) for _ in range(4)]
            answers = [delivery.result() for delivery in sent]
        assert {answer.status for answer in answers} <= {200, 409}
        done = [answer for answer in answers if answer.status == 200]
        assert len({answer.body for answer in done}) == 1
        message = forwarded(done[0])
    assert len(available(home, run.run_id)) == 1
    assert {state["claims"] for state in run_document(home, run.run_id)["stages"].values()} == {1}
    finish_run(platform, run.run_id)


def test_runs_of_many_formats_at_once_do_not_hinder_each_other(servers, platform, home, sources):
    planned = [plan(platform, source, dataset_id=f"many-{name}") for name, source in sources.items()]
    with ThreadPoolExecutor(len(planned)) as pool:
        answers = list(pool.map(lambda one: servers["load"].post(*one[1]), planned))
    assert [answer.status for answer in answers] == [200] * len(planned)
    assert {answer.event["type"] for answer in answers} == {"dev.geoingest.dataset.loaded.v1"}
    for (run, _), answer in zip(planned, answers, strict=True):
        transformed = servers["transform"].post(*forwarded(answer))
        assert servers["export"].post(*forwarded(transformed)).event["type"] == EXPORTED
        finish_run(platform, run.run_id)
        [asset] = available(home, run.run_id)
        assert asset["row_count"] == 5


BINARY = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-type": "dev.geoingest.run.requested.v1",
    "ce-source": "/datasetingests/default/x",
    "ce-id": "1",
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        pytest.param({}, b"", 400, id="nothing"),
        pytest.param({"content-type": "application/json"}, b"{}", 400, id="no-event"),
        pytest.param({"content-type": "application/cloudevents+json"}, b"{", 400, id="broken-structured"),
        pytest.param({"content-type": "application/cloudevents+json"}, b"[]", 400, id="a-list"),
        pytest.param({"content-type": "application/cloudevents+json"}, b"\xff\xfe", 400, id="no-text"),
        pytest.param(BINARY, b"{}", 400, id="missing-attributes"),
        pytest.param(BINARY | {"ce-type": "com.example.other"}, b"{}", 400, id="foreign-type"),
        pytest.param(BINARY, b"[" * 40_000, 400, id="deep"),
        pytest.param(BINARY, json.dumps({"x": "y" * 50_000}).encode(), 413, id="over-an-events-size"),
        pytest.param(BINARY, json.dumps({"x": "y" * 100_000}).encode(), 413, id="over-a-brokers-size"),
        pytest.param(BINARY, b"x" * 20_000_000, 413, id="huge"),
    ],
)
def test_what_is_no_event_of_ours_is_refused_for_good(stage, headers, body, status, servers):
    answer = servers[stage].post(headers, body)
    assert answer.status == status, answer
    assert status not in AGAIN
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.body
    assert b"Traceback" not in answer.body


def test_events_with_a_wrong_token_or_of_an_unknown_run_are_taken_and_ignored(
    servers, platform, home, sources
):
    run, (headers, body) = plan(platform, sources["gpkg"], dataset_id="ignored")
    forged = json.dumps(json.loads(body) | {"token": "0" * 32}).encode()
    unknown = first_event(run.model_copy(update={"run_id": "2f1a9a3e-0000-5000-8000-000000000000"}))
    for stage in STAGES:
        wrong = servers[stage].post(headers, forged)
        nobody = servers[stage].post(*message_of(unknown))
        assert [(answer.status, answer.body) for answer in (wrong, nobody)] == [(204, b""), (204, b"")]
    early = servers["export"].post(headers, body)
    assert early.status == 204
    untouched = run_document(home, run.run_id)
    assert untouched["status"] == "running"
    assert {state["claims"] for state in untouched["stages"].values()} == {0}
    message = headers, body
    for stage in STAGES:
        message = forwarded(servers[stage].post(*message))
    assert len(available(home, run.run_id)) == 1
    finish_run(platform, run.run_id)


def test_a_permanent_failure_is_answered_with_its_event_once_and_for_all(servers, platform, home, sources):
    run, message = plan(platform, sources["gpkg"], dataset_id="failed", layer="none")
    first, again = servers["load"].post(*message), servers["load"].post(*message)
    assert (first.status, first.event["type"]) == (200, FAILED)
    assert forwarded(first) == forwarded(again)
    failed = run_document(home, run.run_id)
    assert (failed["status"], failed["error"]["code"], failed["stages"]["load"]["claims"]) == (
        "failure",
        "LAYER_NOT_FOUND",
        1,
    )
    assert finish_run(platform, run.run_id)
    assert available(home, run.run_id) == []


def test_a_probe_finds_every_function_alive(servers):
    assert {server.send("GET", {}, b"").status for server in servers.values()} == {200}
