"""A run that is killed at any moment leaves nothing that the next run does not clear away.

`GEOINGEST_KILLS=500` kills that many times instead of 25; the moments are drawn from a fixed seed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely

from e2e.command import environment, geoingest, geoingest_process, ingested, start
from e2e.home import assert_at_rest, documents, lake, recorded
from sources import write_sample, write_vector

KILLS = int(os.environ.get("GEOINGEST_KILLS", "25"))
STAGES = ("load", "transform", "export")
# From the claim of a version to its commit: an upload by renaming and one transaction.
COMMIT_S = 0.03


@pytest.fixture(scope="module")
def parcels(tmp_path_factory) -> Path:
    """60,000 polygons, some of which cross themselves, so that every step has work."""
    side = 245
    x, y = (axis.ravel() / 100 for axis in np.meshgrid(np.arange(side), np.arange(side)))
    boxes = shapely.box(x, y, x + 0.009, y + 0.009)[:60_000]
    bow_tie = np.array([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]) * 0.009
    corners = np.column_stack([x, y])[:60_000:1000]
    boxes[::1000] = shapely.polygons(bow_tie + corners[:, None])
    table = pa.table(
        {
            "id": np.arange(60_000),
            "name": [f"parcel {n}" for n in range(60_000)],
            "geometry": shapely.to_wkb(boxes),
        }
    )
    return write_vector(
        tmp_path_factory.mktemp("in") / "parcels.gpkg", table, driver="GPKG", geometry_type="Polygon"
    )


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Path:
    return write_sample("geojson", tmp_path_factory.mktemp("places"))


def moment_of(home: Path, known: set[str]) -> str:
    """How far the run that is not among `known` came."""
    runs = (
        [run for run in documents(home, "runs") if run["run_id"] not in known]
        if (home / "ledger").exists()
        else []
    )
    if not runs:
        return "before the run was recorded"
    [run] = runs
    if run["status"] != "running":
        return "after the run"
    name = next(stage for stage in STAGES if run["stages"][stage]["status"] != "done")
    if name == "export" and documents_pending(home):
        return "export, version claimed"
    return name


def documents_pending(home: Path) -> bool:
    return any(asset["status"] == "pending" for asset in documents(home, "assets"))


def has_begun(home: Path, part: str, known: set[str]) -> bool:
    if part == "commit":
        return any(asset["run_id"] not in known for asset in documents(home, "assets"))
    runs = [run for run in documents(home, "runs") if run["run_id"] not in known]
    return any(run["stages"][part]["status"] != "waiting" for run in runs)


def wait_for(home: Path, part: str, known: set[str]) -> None:
    """Return once the new run has begun that part."""
    for _ in range(5_000):
        if has_begun(home, part, known):
            return
        # Short beside the shortest part, and long enough not to slow down what is watched.
        time.sleep(0.004)
    pytest.fail(f"{part} never began")


def kill_one(home: Path, source: Path, *, part: str, after_s: float, known: set[str]) -> None:
    """Start a run of `source` and kill its process `after_s` seconds into `part`: the start, a stage, or the commit."""
    process = start("run", source, "--dataset-id", "parcels", "--home", home, "--json")
    if part != "start":
        wait_for(home, part, known)
    time.sleep(after_s)
    process.kill()
    process.communicate()


def test_a_run_killed_at_any_moment_leaves_nothing_behind(parcels, places, tmp_path):
    home = tmp_path / "home"
    whole = geoingest_process("run", parcels, "--dataset-id", "parcels", "--home", home, "--json").document
    seconds = (
        {"start": whole["seconds"] - sum(whole["stages"].values()) + 0.2}
        | whole["stages"]
        | {"commit": COMMIT_S}
    )
    moments: Counter[str] = Counter()
    draw = random.Random(20240229)  # noqa: S311  moments, not secrets
    for number in range(KILLS):
        known = {run["run_id"] for run in documents(home, "runs")}
        part = list(seconds)[number % len(seconds)]
        kill_one(home, parcels, part=part, after_s=seconds[part] * draw.random() * 1.1, known=known)
        moment = moment_of(home, known)
        moments[moment] += 1
        before = recorded(home)

        assert ingested(home, places, "--dataset-id", "places")["version"] == number + 1
        assert_at_rest(home)
        assert before.items() <= recorded(home).items()
        if moment != "after the run":
            fates = [
                run
                for run in documents(home, "runs")
                if run["run_id"] not in known and run["dataset_id"] == "parcels"
            ]
            assert {(run["status"], run["error"]["code"]) for run in fates} <= {("failure", "RUN_ABANDONED")}

    print(f"\n{KILLS} kills of a run of {whole['seconds']:.2f} s:", dict(moments))  # noqa: T201  what the run came to
    assert moments.keys() >= {"before the run was recorded", *STAGES}
    last = ingested(home, parcels, "--dataset-id", "parcels")
    assert last["version"] == 2 + moments["after the run"]
    hashes = {
        asset["content_hash"] for asset in documents(home, "assets") if asset["dataset_id"] == "parcels"
    }
    assert hashes == {last["content_hash"]}


@pytest.mark.parametrize("status", [None, "failure"])
def test_a_process_that_died_around_its_record_leaves_no_lock(status, places, tmp_path):
    """Killed between taking the lock and recording the run, or between the run's end and giving the lock back."""
    answer = geoingest("run", places.parent / "none.gpkg", places, "--home", tmp_path, "--json")
    assert answer.code == 2
    run_id = "2f1a9a3e-0000-5000-8000-000000000000"
    if status is not None:
        geoingest("run", places, "--home", tmp_path, "--layer", "none", "--json")
        [run_id] = [run["run_id"] for run in documents(tmp_path, "runs") if run["status"] == status]
    (tmp_path / "ledger" / "live").mkdir(exist_ok=True)
    (tmp_path / "ledger" / "live" / run_id).touch()
    assert geoingest("janitor", "--home", tmp_path, "--json").document == {"ended": [], "cleaned": []}
    assert_at_rest(tmp_path)


def wait_until_recorded(home: Path) -> None:
    for _ in range(1000):
        if (home / "ledger" / "live").is_dir() and any((home / "scratch").glob("*")):
            return
        time.sleep(0.01)
    pytest.fail("the run never began")


@pytest.mark.parametrize("delay_s", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_canceled_and_cleans_up_itself(number, delay_s, parcels, tmp_path):
    process = start("run", parcels, "--home", tmp_path, "--json")
    wait_until_recorded(tmp_path)
    time.sleep(delay_s)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    [run] = documents(tmp_path, "runs")
    if process.returncode == 0:
        pytest.skip("the run was over before the signal came")
    assert "Traceback" not in stderr + stdout
    [line] = stdout.splitlines()
    told = json.loads(line)
    assert (process.returncode, told["status"], told["error"]["code"]) == (1, "failure", "RUN_CANCELED")
    assert (run["status"], run["error"]["code"]) == ("canceled", "RUN_CANCELED")
    assert_at_rest(tmp_path)
    assert recorded(tmp_path) == {}
    assert "run_canceled" in {act["action"] for act in documents(tmp_path, "activity_logs")}


DIES = """
import os, signal
from geoingest.cli import main
from geoingest.stores.objects.directory import DirectoryObjects

put, calls = DirectoryObjects.put, []

def dies(self, bucket, key, path, *, content_type):
    calls.append(key)
    if (len(calls), {after}) == ({call}, False):
        os.kill(os.getpid(), signal.SIGKILL)
    info = put(self, bucket, key, path, content_type=content_type)
    if (len(calls), {after}) == ({call}, True):
        os.kill(os.getpid(), signal.SIGKILL)
    return info

DirectoryObjects.put = dies
main({arguments!r})
"""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [pytest.param(1, id="repaired"), pytest.param(2, id="data")])
def test_a_run_killed_around_an_upload_leaves_no_object_and_no_claim(call, after, parcels, places, tmp_path):
    arguments = ["run", str(parcels), "--dataset-id", "d", "--home", str(tmp_path)]
    script = DIES.format(after=after, call=call, arguments=arguments)
    killed = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, env=environment(), timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [asset["status"] for asset in documents(tmp_path, "assets")] == ["pending"]
    assert len(lake(tmp_path)) == call - 1 + after
    assert ingested(tmp_path, places, "--dataset-id", "d")["version"] in {1, 2}
    assert_at_rest(tmp_path)
    assert [(run["error"] or {}).get("code") for run in documents(tmp_path, "runs")] == [
        "RUN_ABANDONED",
        None,
    ]
