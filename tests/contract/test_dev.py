"""`geoingest dev` with real servers: whatever is dropped, killed or restarted, each manifest ends right, once."""

from __future__ import annotations

import os
import signal
import subprocess

import numpy as np
import pyarrow as pa
import pytest
import shapely

from contract.dev import asking, dev, drop, wait_gone
from contract.test_servers import UNCLOSED
from e2e.command import COMMAND, environment, geoingest_process
from e2e.home import assert_at_rest, documents
from sources import write_sample, write_vector

STAGES = ("load", "transform", "export")


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    (home / "landing-zone" / "in").mkdir(parents=True)
    write_sample("gpkg", home / "landing-zone" / "in")
    return home


@pytest.fixture(scope="module")
def boxes():
    """60,000 polygons of seven corners: enough work to be killed in."""
    side = 245
    x, y = (axis.ravel() / 100 for axis in np.meshgrid(np.arange(side), np.arange(side)))
    shapes = shapely.to_wkb(shapely.box(x, y, x + 0.009, y + 0.009))
    return pa.table({"id": np.arange(side * side), "geometry": shapes})


@pytest.fixture
def large(home, boxes):
    """The key of a file that takes each stage a while."""
    path = home / "landing-zone" / "in" / "large.gpkg"
    write_vector(path, boxes, driver="GPKG", geometry_type="Polygon")
    return "in/large.gpkg"


def run_of(home, dataset_id):
    if not (home / "ledger" / "ledger.sqlite").exists():
        return None
    return next((run for run in documents(home, "runs") if run["dataset_id"] == dataset_id), None)


def has_begun(home, dataset_id, stage):
    run = run_of(home, dataset_id)
    return run is not None and run["stages"][stage]["status"] == "running"


def test_many_manifests_at_once_each_end_right(home):
    for number in range(3):
        drop(home, f"good-{number}.json", asking("places", "in/places.gpkg"))
    drop(home, "other.yaml", asking("other", "in/places.gpkg"))
    drop(home, "broken.json", b'{"batch_id": ')
    drop(home, "invalid.json", {"intent": "ingest_vector"})
    drop(home, "missing.json", asking("missing", "in/no-such.gpkg"))
    drop(home, "fails.json", asking("fails", "in/places.gpkg", layer="none"))
    with dev(home, "--once") as running:
        assert running.ended() == 1
    told = {move["manifest"].removeprefix("manifests/"): move for move in running.told("rejected")}
    assert {name: move["error"]["code"] for name, move in told.items()} == {
        "broken.json": "MANIFEST_UNREADABLE",
        "invalid.json": "MANIFEST_INVALID",
        "missing.json": "SOURCE_NOT_FOUND",
    }
    [failed] = running.told("failure")
    assert (failed["dataset_id"], failed["error"]["code"]) == ("fails", "LAYER_NOT_FOUND")
    assert failed["error"]["hint"]
    ended = [(move["dataset_id"], move["version"], move["rows"]) for move in running.told("success")]
    assert sorted(ended) == [("other", 1, 5), ("places", 1, 5), ("places", 2, 5), ("places", 3, 5)]
    assert {change: len(running.told(change)) for change in STAGES} == dict.fromkeys(STAGES, 4)
    assert list((home / "landing-zone" / "manifests").iterdir()) == []
    kept = [path.name for path in (home / "landing-zone" / "archive").rglob("*.json") if path.is_file()]
    assert len(kept) == 7 + 3
    assert_at_rest(home)


def test_a_manifest_is_one_run_however_often_it_is_seen_and_new_content_another(home):
    manifest = asking("places", "in/places.gpkg")
    drop(home, "m.json", manifest)
    path = home / "landing-zone" / "manifests" / "m.json"
    copied = home / "copied.json"
    os.link(path, copied)
    with dev(home) as running:
        running.wait_until(lambda: len(running.told("success")) == 1)
        # The very same object again, then another content under the same key.
        os.link(copied, path)
        running.wait_until(lambda: not path.exists())
        drop(home, "m.json", manifest | {"batch_id": "new"})
        running.wait_until(lambda: len(running.told("success")) == 2)
    assert [move["version"] for move in running.told("success")] == [1, 2]
    assert len(documents(home, "runs")) == 2
    assert_at_rest(home)


@pytest.mark.parametrize("stage", STAGES)
def test_a_server_that_is_killed_in_the_middle_of_its_work_is_replaced_and_the_run_succeeds(
    stage, home, large
):
    with dev(home) as running:
        drop(home, "large.json", asking("large", large))
        running.wait_until(lambda: has_begun(home, "large", stage))
        os.kill(running.pids[stage], signal.SIGKILL)
        running.wait_until(lambda: running.told("success"))
        assert running.told("restarted")
    run = run_of(home, "large")
    assert run["stages"][stage]["claims"] == 2
    assert running.told("failure") == []
    assert_at_rest(home)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name
)
def test_what_a_stopped_dev_left_in_the_middle_is_finished_by_the_next(number, home, large):
    drop(home, "large.json", asking("large", large))
    with dev(home) as first:
        for name in ("a", "b"):
            drop(home, f"{name}.json", asking(name, "in/places.gpkg"))
        first.wait_until(lambda: has_begun(home, "large", "load"))
        pids = first.pids
        first.process.send_signal(number)
        code = first.ended()
        assert code == (-9 if number is signal.SIGKILL else 0)
        wait_gone(pids)
    with dev(home, "--once") as second:
        assert second.ended() == 0
    runs = documents(home, "runs")
    assert sorted((run["dataset_id"], run["status"]) for run in runs) == [
        ("a", "success"),
        ("b", "success"),
        ("large", "success"),
    ]
    assert sorted(run["version"] for run in documents(home, "assets")) == [1, 1, 1]
    assert_at_rest(home)


def test_geoingest_run_in_the_same_home_at_the_same_time_does_no_harm(home, large):
    source = home / "landing-zone" / large
    with dev(home) as running:
        command = [*COMMAND, "run", source, "--home", home, "--dataset-id", "shared", "--json"]
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.DEVNULL, env=environment()
        )
        for number in range(3):
            drop(home, f"m-{number}.json", asking("shared", "in/places.gpkg"))
        # Cleans up at its start, as each `geoingest run` does.
        assert geoingest_process("janitor", "--home", home).code == 0
        running.wait_until(lambda: len(running.told("success")) == 3)
        assert process.wait(60) == 0
    versions = sorted(asset["version"] for asset in documents(home, "assets"))
    assert versions == [1, 2, 3, 4]
    # The command's own run was left to it: each of its stages was claimed once.
    claims = [state["claims"] for run in documents(home, "runs") for state in run["stages"].values()]
    assert set(claims) == {1}
    assert_at_rest(home)


def test_what_gdal_only_warns_of_fails_the_run_here_too(home):
    (home / "landing-zone" / "in" / "unclosed.gml").write_text(UNCLOSED)
    for number in range(4):
        drop(home, f"{number}.json", asking(f"unclosed-{number}", "in/unclosed.gml", format="GML"))
    with dev(home, "--once") as running:
        assert running.ended() == 1
    assert [move["error"]["code"] for move in running.told("failure")] == ["SOURCE_UNREADABLE"] * 4
    assert_at_rest(home)


def test_an_empty_home_is_done_at_once(tmp_path):
    with dev(tmp_path / "new", "--once") as running:
        assert running.ended() == 0
    assert (tmp_path / "new" / "landing-zone" / "manifests").is_dir()
    assert [move["change"] for move in running.moves] == ["ready"]
