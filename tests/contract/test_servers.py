"""A function's server seen by those who run it: probes, metrics, logs, traces, its end, and what GDAL loses in it."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from contract.function_server import message_of, served, wait_until_alive
from e2e.command import run as run_command
from geoingest.cli import local
from geoingest.cli.sources import DataOptions, identified, ingest_of_files
from geoingest.events import from_headers
from geoingest.model.run import RunError, RunStatus
from geoingest.runtime.platform import open_platform
from geoingest.settings import read_settings
from geoingest.stores.ledger.runs import end_run, get_run, register_run
from geoingest_operator.finish import finish_run
from sources import write_sample

CANARIES = {
    "GEOINGEST_POSTGIS_DSN": "postgresql://loader:canary-in-dsn@db/gis",
    "GEOINGEST_LEDGER_PASSWORD": "canary-password",
    "AWS_SECRET_ACCESS_KEY": "canary/secret+key",
}


UNCLOSED = """<?xml version="1.0"?>
<ogr:FeatureCollection xmlns:ogr="http://ogr.maptools.org/" xmlns:gml="http://www.opengis.net/gml/3.2" gml:id="c">
<ogr:featureMember><ogr:a gml:id="a.1"><ogr:geom><gml:Polygon srsName="EPSG:3857" gml:id="g">
<gml:exterior><gml:LinearRing>
<gml:posList>0 0 0 9 9 9 9 0</gml:posList>
</gml:LinearRing></gml:exterior></gml:Polygon></ogr:geom></ogr:a></ogr:featureMember></ogr:FeatureCollection>"""


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def platform(home):
    with open_platform(read_settings({}, home=home)) as platform:
        yield platform


def plan(platform, source, **options):
    """A registered run of `source`, and its first event."""
    ingest = ingest_of_files(platform, (str(source),), DataOptions(**options))
    planned = local.plan_ingest(platform, identified(ingest, name="test"))
    register_run(platform.documents, run=planned.run, manifest=planned.manifest, dataset=planned.dataset)
    return planned.run, planned.event


def load_server(home, tmp_path, **variables):
    return served("load", tmp_path / "log", {"GEOINGEST_HOME": str(home), **variables})


def metrics(server):
    """(name, labels) to value."""
    answer = server.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.body.decode())
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("geoingest_")
    }


def test_probes_tell_a_process_that_answers_from_one_whose_stores_do(tmp_path):
    home = tmp_path / "file"
    home.write_text("where a folder should be")
    with load_server(home, tmp_path) as server:
        assert [server.get(path).status for path in ("/", "/healthz", "/readyz", "/nothing")] == [
            200,
            200,
            503,
            404,
        ]
        assert server.get("/readyz").body == b"LEDGER_UNAVAILABLE"
        home.unlink()
        assert server.get("/readyz").status == 200
        assert server.send("HEAD", {}, b"", "/readyz").status == 200
        assert server.send("PUT", {}, b"", "/").status == 405


def test_an_event_is_tried_again_while_the_stores_are_away(home, platform, tmp_path):
    _, event = plan(platform, write_sample("fgb", tmp_path / "in"))
    gone = tmp_path / "gone"
    gone.write_text("")
    with load_server(gone, tmp_path) as server:
        answer = server.post(*message_of(event))
        assert (answer.status, answer.body) == (503, b"LEDGER_UNAVAILABLE")


def test_deliveries_are_counted_by_outcome_with_their_seconds_and_rows(home, platform, tmp_path):
    source = write_sample("gpkg", tmp_path / "in")
    _, good = plan(platform, source)
    _, bad = plan(platform, source, layer="none")
    with load_server(home, tmp_path) as server:
        for event in (good, good, bad, bad):
            assert server.post(*message_of(event)).status == 200
        found = metrics(server)
    assert found["geoingest_deliveries_total", "done", "load"] == 1
    assert found["geoingest_deliveries_total", "failed", "load"] == 1
    assert found["geoingest_deliveries_total", "load", "repeated"] == 2
    assert found["geoingest_stage_seconds_count", "load"] == 2
    assert found["geoingest_rows_total", "load"] == 5


def test_every_line_of_the_log_is_json_bound_to_its_delivery_and_shows_no_secret(home, platform, tmp_path):
    # GDAL's warning of it is logged with the file's name.
    source = tmp_path / f"{CANARIES['GEOINGEST_LEDGER_PASSWORD']}.gml"
    source.write_text(UNCLOSED)
    run, event = plan(platform, source)
    headers, body = message_of(event)
    with load_server(home, tmp_path, **CANARIES) as server:
        server.get("/?token=canary-in-query")
        server.post(headers | {"authorization": "Bearer canary-bearer"}, body)
        server.post(headers, body.replace(b"run_id", b"canary-in-body"))
    delivery = {
        "run_id": run.run_id,
        "dataset_id": run.dataset_id,
        "stage": "load",
        "event_id": event.id,
    }
    [ended] = [line for line in server.lines if line["message"].startswith("delivered")]
    assert ended.items() >= {**delivery, "level": "INFO", "outcome": "failed", "status": 200}.items()
    [warned] = [line for line in server.lines if line["message"].startswith("GDAL on")]
    assert warned["message"].startswith("GDAL on ***.gml: ")
    assert warned.items() >= {**delivery, "level": "WARNING"}.items()
    text = server.log.read_text()
    assert "canary" not in text
    assert event.data.token not in text


def test_a_stage_at_work_is_finished_when_the_server_is_told_to_end(home, platform, tmp_path):
    _, event = plan(platform, write_sample("gpkg", tmp_path / "in"))
    with load_server(home, tmp_path) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.post, *message_of(event))
        while get_run(platform.documents, event.runid).stages["load"].claims == 0:
            time.sleep(0.005)
        server.process.terminate()
        assert answer.result().status == 200
        assert server.process.wait(30) == 0


def test_a_worker_that_dies_is_replaced(home, tmp_path):
    with load_server(home, tmp_path) as server:
        [booted] = [line["message"] for line in server.lines if line["message"].startswith("Booting worker")]
        os.kill(int(booted.rpartition(" ")[2]), signal.SIGKILL)
        wait_until_alive(server)
        assert server.get("/readyz").status == 200


def broken_samples(folder):
    """Files that a reader could take for whole: cut off at several places, or with what GDAL only warns of."""
    for name in ("gpkg", "fgb", "geojson", "geojsonseq", "kml", "gml"):
        source = write_sample(name, folder / name)
        content = source.read_bytes()
        for percent in (60, 90):
            cut = folder / f"{name}-{percent}{source.suffix}"
            cut.write_bytes(content[: len(content) * percent // 100])
            yield cut
    unclosed = folder / "unclosed.gml"
    unclosed.write_text(UNCLOSED)
    yield unclosed


def test_what_the_command_refuses_the_function_refuses_with_the_same_code_many_at_once(
    home, platform, tmp_path
):
    (tmp_path / "in").mkdir()
    samples = list(broken_samples(tmp_path / "in"))
    told = [run_command(tmp_path / "other", sample).document for sample in samples]
    expected = {
        str(s): (document["error"] or {}).get("code") for s, document in zip(samples, told, strict=True)
    }
    planned = [(str(sample), *plan(platform, sample)) for sample in samples * 2]
    with load_server(home, tmp_path) as server, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: server.deliver(message_of(one[2])), planned))
    assert {answer.status for answer in answers} == {200}
    got = [(path, (get_run(platform.documents, run.run_id).error)) for path, run, _ in planned]
    assert [(path, error and error.code) for path, error in got] == [
        (path, expected[path]) for path, _, _ in planned
    ]
    assert list(expected.values()).count(None) < len(samples) / 2
    for _, run, _ in planned:
        end_run(platform.documents, run, status=RunStatus.CANCELED, error=RunError(code="X", message="m"))
        finish_run(platform, run.run_id)


@contextmanager
def collector():
    """An OpenTelemetry collector: its address, and the spans it was sent, by service."""
    spans = []
    came = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = ExportTraceServiceRequest.FromString(
                self.rfile.read(int(self.headers["content-length"]))
            )
            for group in request.resource_spans:
                [service] = [
                    a.value.string_value for a in group.resource.attributes if a.key == "service.name"
                ]
                spans.extend((service, span) for scope in group.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()
            came.set()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans, came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_run_is_one_trace_whose_spans_follow_from_event_to_event(home, platform, tmp_path):
    run, event = plan(platform, write_sample("gpkg", tmp_path / "in"))
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers, body = message_of(event)
    headers |= {"ce-traceparent": f"00-{trace}-{parent}-01"}
    with collector() as (address, spans, came):
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with load_server(home, tmp_path, **told) as server:
            answer = server.post(headers, body)
            assert came.wait(20)
    [(service, span)] = spans
    attributes = {attribute.key: attribute.value.string_value for attribute in span.attributes}
    assert (service, span.name, span.trace_id.hex(), span.parent_span_id.hex()) == (
        "geoingest-load",
        "geoingest load",
        trace,
        parent,
    )
    assert (attributes["geoingest.run_id"], attributes["geoingest.outcome"]) == (run.run_id, "done")
    assert from_headers(answer.headers, answer.body).traceparent == f"00-{trace}-{span.span_id.hex()}-01"


def test_without_a_collector_the_trace_travels_on_unchanged(home, platform, tmp_path):
    _, event = plan(platform, write_sample("gpkg", tmp_path / "in"))
    headers, body = message_of(event)
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with load_server(home, tmp_path) as server:
        answer = server.post(headers | {"ce-traceparent": traceparent}, body)
    assert from_headers(answer.headers, answer.body).traceparent == traceparent
