"""How a function is served, what its server lets in, and where faults may be armed."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from e2e.command import environment
from geoingest.runtime.faults import arm, reached
from geoingest.runtime.server import MAX_BODY_BYTES, Serving, bounded, find_function, read_serving
from geoingest.settings import SettingInvalidError


@pytest.mark.parametrize(
    ("variables", "serving"),
    [
        pytest.param(
            {}, Serving(bind="127.0.0.1:8080", concurrency=4, stage_timeout_s=600), id="nothing said"
        ),
        pytest.param(
            {"PORT": "9000"}, Serving(bind="0.0.0.0:9000", concurrency=4, stage_timeout_s=600), id="Knative"
        ),
        pytest.param(
            {
                "PORT": "1",
                "GEOINGEST_BIND": "[::1]:80",
                "GEOINGEST_CONCURRENCY": "1",
                "GEOINGEST_STAGE_TIMEOUT_S": "30",
            },
            Serving(bind="[::1]:80", concurrency=1, stage_timeout_s=30),
            id="all said",
        ),
    ],
)
def test_settings_say_how_a_function_is_served(variables, serving):
    assert read_serving(variables) == serving


@pytest.mark.parametrize("name", ["PORT", "GEOINGEST_CONCURRENCY", "GEOINGEST_STAGE_TIMEOUT_S"])
@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_number_that_is_none_is_refused(name, value):
    with pytest.raises(SettingInvalidError):
        read_serving({name: value})


@pytest.mark.parametrize("name", ["nothing", "../load", "", "load.vector"])
def test_a_function_that_is_not_here_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").touch()
    with pytest.raises(SettingInvalidError):
        find_function(name)


def echo(environ, start_response):
    start_response("200 OK", [])
    return [environ["wsgi.input"].read(), environ["CONTENT_LENGTH"].encode()]


@pytest.mark.parametrize(
    ("size", "status"),
    [(0, "200 OK"), (MAX_BODY_BYTES, "200 OK"), (MAX_BODY_BYTES + 1, "413 Content Too Large")],
)
def test_a_body_passes_up_to_the_limit_and_a_larger_one_is_refused_after_its_end(size, status):
    told = []
    body = io.BytesIO(b"x" * size)
    answer = list(bounded(echo)({"wsgi.input": body}, lambda line, _: told.append(line)))
    assert told == [status]
    if status == "200 OK":
        assert answer == [b"x" * size, str(size).encode()]
    assert body.read() == b""


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"GEOINGEST_FAULT": "load.part.after"}, id="not allowed"),
        pytest.param({"GEOINGEST_FAULT": "load.part.after", "GEOINGEST_FAULTS": "1"}, id="not quite allowed"),
        pytest.param({"GEOINGEST_FAULT": "load.put.after", "GEOINGEST_FAULTS": "allowed"}, id="unknown"),
        pytest.param({"GEOINGEST_FAULT": "load.part.after:0", "GEOINGEST_FAULTS": "allowed"}, id="never"),
        pytest.param({"GEOINGEST_FAULT": "load.part.after:x", "GEOINGEST_FAULTS": "allowed"}, id="no number"),
    ],
)
def test_a_fault_is_armed_only_where_it_is_allowed_and_known(variables):
    with pytest.raises(SettingInvalidError):
        arm(variables)
    reached("load.part.after")


def test_without_a_fault_a_point_does_nothing():
    arm({"GEOINGEST_FAULTS": "allowed"})
    reached("load.part.after")


def test_an_armed_point_kills_the_process_the_time_it_is_meant_to():
    script = """
import os
from geoingest.runtime.faults import arm, reached
arm(os.environ)
reached("export.put.after")
reached("export.put.before")
print("alive", flush=True)
reached("export.put.after")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(GEOINGEST_FAULT="export.put.after:2", GEOINGEST_FAULTS="allowed"),
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-9, "alive\n", "fault export.put.after\n")
