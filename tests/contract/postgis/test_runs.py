"""Whole runs with the PostGIS engine: the same dataset as without, nothing left, no secret anywhere."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely

from e2e.command import Answer, geoingest_process, start
from e2e.home import assert_at_rest, documents
from geoingest.engines.postgis_schemas import list_run_schemas
from sources import write_vector


@pytest.fixture(scope="module")
def parcels(tmp_path_factory) -> Path:
    """40,000 squares in EPSG:4326, every hundredth of which crosses itself."""
    x, y = (axis.ravel() / 100 for axis in np.meshgrid(np.arange(200), np.arange(200)))
    boxes = shapely.box(x, y, x + 0.009, y + 0.009)
    bow_tie = np.array([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]) * 0.009
    corners = np.column_stack([x, y])[::100]
    boxes[::100] = shapely.polygons(bow_tie + corners[:, None, :])
    table = pa.table({"id": np.arange(40_000), "geometry": shapely.to_wkb(boxes)})
    path = tmp_path_factory.mktemp("in") / "parcels.gpkg"
    return write_vector(path, table, driver="GPKG", geometry_type="Polygon")


def run(
    server, home: Path, *arguments: str | Path, dsn: str | None = None, engine: str = "postgis"
) -> Answer:
    given = {"GEOINGEST_POSTGIS_DSN": dsn or server.dsn, "GEOINGEST_LOG": "DEBUG"}
    return geoingest_process("run", *arguments, "--home", home, "--engine", engine, "--json", **given)


def test_both_engines_make_the_same_dataset_byte_for_byte(server, parcels, tmp_path):
    postgis = run(server, tmp_path / "a", parcels, "--dataset-id", "parcels").document
    embedded = run(server, tmp_path / "b", parcels, "--dataset-id", "parcels", engine="embedded").document
    assert (postgis["status"], postgis["rows"]) == ("success", 40_000)
    for name in ("content_hash", "rows", "crs", "bounds", "geometry_type", "warnings"):
        assert postgis[name] == embedded[name], name
    [asset] = documents(tmp_path / "a", "assets")
    assert (asset["engine"], asset["repaired"]["rows"]) == ("postgis", 400)
    assert list_run_schemas(server.dsn) == []
    assert_at_rest(tmp_path / "a")


def test_a_run_that_fails_with_its_table_written_leaves_no_schema(server, tmp_path):
    table = pa.table({"id": [1], "geometry": shapely.to_wkb([shapely.Point(0, 95)])})
    source = write_vector(tmp_path / "points.gpkg", table, driver="GPKG", geometry_type="Point")
    answer = run(server, tmp_path, source)
    assert answer.error["code"] == "COORDS_OUT_OF_RANGE"
    assert list_run_schemas(server.dsn) == []


def test_a_killed_run_loses_its_schema_to_the_next_one(server, parcels, tmp_path):
    for _ in range(3):
        arguments = ("run", parcels, "--home", tmp_path, "--engine", "postgis", "--json")
        process = start(*arguments, GEOINGEST_POSTGIS_DSN=server.dsn)
        until = time.monotonic() + 60
        while not list_run_schemas(server.dsn) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len(list_run_schemas(server.dsn)) == 1
        swept = geoingest_process("janitor", "--home", tmp_path, "--json", GEOINGEST_POSTGIS_DSN=server.dsn)
        assert len(swept.document["cleaned"]) == 1
        assert list_run_schemas(server.dsn) == []
        assert_at_rest(tmp_path)


def test_an_interrupted_run_is_canceled_and_leaves_no_schema(server, parcels, tmp_path):
    arguments = ("run", parcels, "--home", tmp_path, "--engine", "postgis", "--json")
    process = start(*arguments, GEOINGEST_POSTGIS_DSN=server.dsn)
    until = time.monotonic() + 60
    while not list_run_schemas(server.dsn) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert [found["status"] for found in documents(tmp_path, "runs")] == ["canceled"]
    assert list_run_schemas(server.dsn) == []
    assert_at_rest(tmp_path)


def test_an_outage_fails_the_run_in_our_words_and_shows_no_password(server, parcels, tmp_path):
    nobody_there = server.dsn.rpartition(":")[0] + ":1/gis"
    answer = run(server, tmp_path, parcels, dsn=nobody_there)
    assert answer.error["code"] == "POSTGIS_UNAVAILABLE"
    everything = answer.stdout + answer.stderr + repr(documents(tmp_path, "runs"))
    assert server.password not in everything


def test_without_a_server_the_engine_is_refused_with_the_way_to_name_one(server, parcels, tmp_path):
    answer = geoingest_process("run", parcels, "--home", tmp_path, "--engine", "postgis", "--json")
    assert answer.error["code"] == "POSTGIS_NOT_CONFIGURED"


def test_an_unreachable_server_does_not_stand_in_the_way_of_the_other_engine(server, parcels, tmp_path):
    nobody_there = server.dsn.rpartition(":")[0] + ":1/gis"
    answer = run(server, tmp_path, parcels, dsn=nobody_there, engine="embedded")
    assert answer.code == 0
    assert server.password not in answer.stdout + answer.stderr


def test_the_doctor_looks_at_the_server(server, tmp_path):
    told = geoingest_process("doctor", "--home", tmp_path, "--json", GEOINGEST_POSTGIS_DSN=server.dsn)
    [found] = [item for item in told.document["items"] if item["check"] == "PostGIS"]
    assert (found["outcome"], "/gis, PostGIS 3" in found["detail"]) == ("ok", True)
    nobody_there = server.dsn.rpartition(":")[0] + ":1/gis"
    told = geoingest_process("doctor", "--home", tmp_path, "--json", GEOINGEST_POSTGIS_DSN=nobody_there)
    [found] = [item for item in told.document["items"] if item["check"] == "PostGIS"]
    assert found["outcome"] == "fail"
    assert server.password not in told.stdout + told.stderr
