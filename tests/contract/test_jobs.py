"""A stage as a Job: the event in a file, the next one posted to a sink, an exit code that says whether to try again."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from contract.function_server import STAGES, free_port
from e2e.command import environment
from e2e.home import assert_at_rest, documents
from geoingest.cli import local
from geoingest.cli.sources import DataOptions, identified, ingest_of_files
from geoingest.events import from_headers, next_event, to_json
from geoingest.runtime.job import post_event
from geoingest.runtime.platform import open_platform
from geoingest.settings import read_settings
from geoingest.stores.ledger.runs import claim_stage, register_run
from geoingest_operator.finish import finish_run
from ledgers import planned_run
from sources import write_sample

EXPORTED, FAILED = "dev.geoingest.dataset.exported.v1", "dev.geoingest.run.failed.v1"


@contextmanager
def sink(*statuses: int):
    """A broker's ingress: its address and what it was sent; answers these statuses one by one, then 202."""
    taken = []
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.append((self.path, from_headers(dict(self.headers), body)))
            self.send_response(left.pop(0) if left else 202)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/default/broker", taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def platform(home):
    with open_platform(read_settings({}, home=home)) as platform:
        yield platform


@pytest.fixture
def first(platform, tmp_path):
    """The first event of a registered run."""
    return plan(platform, tmp_path)


def plan(platform, tmp_path, **options):
    source = write_sample("gpkg", tmp_path / "in")
    ingest = ingest_of_files(platform, (str(source),), DataOptions(dataset_id="job", **options))
    planned = local.plan_ingest(platform, identified(ingest, name="job"))
    register_run(platform.documents, run=planned.run, manifest=planned.manifest, dataset=planned.dataset)
    return planned.event


def job(stage, document, home, address, **variables):
    """The exit code of the job, and what it wrote."""
    path = home.parent / "event"
    path.write_bytes(document)
    told = {
        "GEOINGEST_HOME": str(home),
        "K_EVENT_PATH": str(path),
        "K_SINK": address,
        "GEOINGEST_LEASE_S": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "geoingest.runtime.job", stage],
        env=environment(**(told | {"PYTHONWARNINGS": "default"} | variables)),
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


def test_a_chain_of_jobs_ends_as_an_available_asset_and_repeats_do_no_harm(home, platform, first):
    event = first
    with sink() as (address, taken):
        for stage in STAGES:
            assert job(stage, to_json(event), home, address)[0] == 0
            assert job(stage, to_json(event), home, address)[0] == 0
            [(path, sent), again] = taken[-2:]
            assert (path, again) == ("/default/broker", (path, sent))
            event = sent
    assert event.type == EXPORTED
    assert finish_run(platform, event.runid)
    assert_at_rest(home)
    assert [asset["version"] for asset in documents(home, "assets")] == [1]


def test_a_permanent_failure_is_posted_and_the_job_is_done(home, platform, tmp_path):
    with sink() as (address, taken):
        assert job("load", to_json(plan(platform, tmp_path, layer="none")), home, address)[0] == 0
    assert [event.type for _, event in taken] == [FAILED]


def test_an_event_of_no_run_has_nothing_to_say(home, platform, tmp_path):
    unknown = planned_run(tmp_path).event
    with sink() as (address, taken):
        assert job("load", to_json(unknown), home, address)[0] == 0
    assert taken == []


def test_a_job_killed_at_work_is_made_good_by_the_next_one_on_the_same_event(home, platform, first):
    with sink() as (address, taken):
        armed = {"GEOINGEST_FAULT": "load.part.after", "GEOINGEST_FAULTS": "allowed"}
        assert job("load", to_json(first), home, address, **armed)[0] == -9
        assert job("load", to_json(first), home, address)[0] == 0
    assert [event.type for _, event in taken] == ["dev.geoingest.dataset.loaded.v1"]


def test_a_stage_that_stays_in_other_hands_is_to_be_tried_again(home, platform, first):
    claim_stage(
        platform.documents,
        run_id=first.runid,
        stage="load",
        token=first.data.token,
        holder="other",
        lease_s=3600,
    )
    with sink() as (address, taken):
        assert job("load", to_json(first), home, address)[0] == 1
    assert taken == []


def test_a_sink_that_stumbles_is_asked_again_and_one_that_refuses_is_not(home, first):
    sent = next_event(first, time=datetime.now(UTC))
    with sink(503, 429) as (address, taken):
        assert post_event(sent, address, tries=3)
        assert [event for _, event in taken] == [sent] * 3
    with sink(400) as (address, taken):
        assert not post_event(sent, address, tries=3)
        assert len(taken) == 1
    with sink(503, 503) as (address, taken):
        assert not post_event(sent, address, tries=2)
        assert len(taken) == 2
    assert not post_event(sent, f"http://127.0.0.1:{free_port()}/", tries=1)


@pytest.mark.parametrize(
    ("document", "variables", "told"),
    [
        pytest.param(b"{}", {}, "EVENT_MALFORMED", id="malformed"),
        pytest.param(b"x" * 100_000, {}, "EVENT_TOO_LARGE", id="too large"),
        pytest.param(b"{}", {"K_EVENT_PATH": "/nothing"}, "K_EVENT_PATH", id="no event"),
        pytest.param(b"{}", {"K_SINK": ""}, "K_SINK", id="no sink"),
        pytest.param(b"{}", {"K_SINK": "file:///canary"}, "K_SINK", id="no web address"),
        pytest.param(b"{}", {"K_SINK": "http://[canary"}, "K_SINK", id="broken address"),
    ],
)
def test_what_no_repetition_mends_exits_with_two(document, variables, told, home):
    code, log = job("load", document, home, "http://127.0.0.1:1/", **variables)
    assert code == 2
    assert told in log
    assert "canary" not in log


def test_a_function_that_is_not_here_exits_with_two(home, first):
    assert job("nothing", to_json(first), home, "http://127.0.0.1:1/")[0] == 2
