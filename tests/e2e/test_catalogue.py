"""What the ledger says after two runs of one dataset, under the field names that platform users know."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime

import pytest

from e2e.command import ROOT, catalogue, geoingest, ingested
from e2e.home import assert_at_rest, documents, sha256
from sources import write_sample

COUNTRIES = ROOT / "examples" / "countries" / "countries.geojson"
ASSET = {
    "s3_key",
    "dataset_id",
    "version",
    "content_hash",
    "run_id",
    "kind",
    "format",
    "crs",
    "bounds",
    "metadata",
    "created_at",
    "updated_at",
    "row_count",
    "size_bytes",
    "source_files",
    "source_crs",
    "engine",
    "libraries",
}
METADATA = {
    "title",
    "description",
    "keywords",
    "source",
    "license",
    "attribution",
    "project",
    "tags",
    "column_schema",
    "geometry_type",
}
LINEAGE = {"source_asset_id", "target_asset_id", "run_id", "transformation", "parameters", "created_at"}
ACTIVITY = {"timestamp", "user", "action", "resource_type", "resource_id", "details"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two versions of countries from two runs, one of another dataset, one failed run."""
    home = tmp_path_factory.mktemp("home")
    shapefile = write_sample("fgb", tmp_path_factory.mktemp("in"))
    for _ in range(2):
        ingested(home, COUNTRIES, "--dataset-id", "countries", "--title", "Countries")
    ingested(home, shapefile, "--dataset-id", "places")
    assert (
        geoingest(
            "run", shapefile, "--layer", "none", "--dataset-id", "places", "--home", home, "--json"
        ).code
        == 1
    )
    return home


def test_two_runs_make_versions_one_and_two_at_their_keys(home):
    assets = catalogue(home, "assets", "countries")
    assert [asset["version"] for asset in assets] == [1, 2]
    assert [asset["s3_key"] for asset in assets] == ["countries/v1/data.parquet", "countries/v2/data.parquet"]
    for asset in assets:
        path = home / "data-lake" / asset["s3_key"]
        assert asset["content_hash"] == f"sha256:{sha256(path)}"
        assert asset["size_bytes"] == path.stat().st_size
    assert_at_rest(home)


def test_an_asset_has_the_ledgers_field_names(home):
    asset = catalogue(home, "assets", "countries")[0]
    assert asset.keys() >= ASSET
    assert asset["metadata"].keys() >= METADATA
    assert (asset["kind"], asset["format"], asset["crs"], asset["row_count"]) == (
        "spatial",
        "geoparquet",
        "EPSG:4326",
        177,
    )
    assert asset["bounds"] == {"minx": -180.0, "miny": -90.0, "maxx": 180.0, "maxy": 83.64513000000001}
    assert asset["metadata"]["title"] == "Countries"
    assert datetime.fromisoformat(asset["created_at"]) <= datetime.fromisoformat(asset["updated_at"])


def test_the_column_schema_is_in_file_order_with_the_words_of_the_contract(home):
    schema = catalogue(home, "assets", "countries")[0]["metadata"]["column_schema"]
    types = {
        name: (column["type_name"], column["logical_type"])
        for name, column in schema.items()
        if name != "bbox"
    }
    assert types == {
        "name": ("STRING", "string"),
        "iso_a3": ("STRING", "string"),
        "continent": ("STRING", "string"),
        "pop_est": ("FLOAT", "double"),
        "gdp_md_est": ("INTEGER", "int32"),
        "geom": ("GEOMETRY", "binary"),
    }
    assert list(schema)[-1] == "geom"
    assert all(
        column.keys() == {"title", "description", "type_name", "logical_type", "nullable"}
        for column in schema.values()
    )


def test_source_files_are_told_with_the_hash_of_their_bytes(home):
    [file] = catalogue(home, "assets", "countries")[0]["source_files"]
    content = COUNTRIES.read_bytes()
    assert (file["size_bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    landed = home / "landing-zone" / file["path"].removeprefix("s3://landing-zone/")
    assert landed.read_bytes() == content
    assert file["etag"]


def test_lineage_names_files_steps_and_the_version_before(home):
    first, second = catalogue(home, "assets", "countries")
    [edge] = catalogue(home, "lineage", second["asset_id"])[-1:]
    edges = {edge["target_asset_id"]: edge for edge in catalogue(home, "lineage")}
    assert len(edges) == 3
    assert all(edge.keys() >= LINEAGE for edge in edges.values())
    assert edges[first["asset_id"]]["source_asset_id"] is None
    assert edges[second["asset_id"]]["source_asset_id"] == first["asset_id"]
    assert edge == edges[second["asset_id"]]
    assert edge["transformation"] == "ingest_vector"
    parameters = edge["parameters"]
    assert parameters["source_files"] == second["source_files"]
    assert parameters["previous_version"] == 1
    assert [(step["name"], step["parameters"], step["rows_changed"]) for step in parameters["steps"]] == [
        ("linearise", {"max_angle_degrees": 4.0}, 0),
        ("reproject", {"target": "EPSG:4326"}, 0),
        ("repair", {"policy": "repair"}, 0),
    ]


def test_lineage_of_an_asset_lists_what_came_from_it_and_what_it_came_from(home):
    first, second = (asset["asset_id"] for asset in catalogue(home, "assets", "countries"))
    pairs = {(edge["source_asset_id"], edge["target_asset_id"]) for edge in catalogue(home, "lineage", first)}
    assert pairs == {(None, first), (first, second)}


def test_datasets_are_listed_with_kind_and_latest_version(home):
    datasets = catalogue(home, "datasets")
    found = [(item["dataset_id"], item["kind"], item["latest_version"], item["title"]) for item in datasets]
    assert found == [("countries", "spatial", 2, "Countries"), ("places", "spatial", 1, "places")]


def test_runs_have_a_terminal_status_a_time_and_a_reason(home):
    runs = catalogue(home, "runs")
    assert [run["status"] for run in runs] == ["success", "success", "success", "failure"]
    assert all(run["completed_at"] >= run["created_at"] for run in runs)
    assert [run["error"] and run["error"]["code"] for run in runs] == [None, None, None, "LAYER_NOT_FOUND"]
    [only] = catalogue(home, "runs", runs[3]["run_id"])
    assert only == runs[3]


def test_activity_says_each_act_once_and_in_order(home):
    acts = catalogue(home, "activity")
    assert all(act.keys() >= ACTIVITY for act in acts)
    keys = [(act["action"], act["resource_type"], act["resource_id"]) for act in acts]
    assert len(set(keys)) == len(keys)
    succeeded = ["create_manifest", "run_started", "run_success"]
    assert [key[0] for key in keys] == [*succeeded * 3, "create_manifest", "run_started", "run_failure"]
    assert acts[-1]["details"]["code"] == "LAYER_NOT_FOUND"


def test_manifests_made_by_the_command_line_are_kept_as_such(home):
    records = catalogue(home, "manifests", "countries")
    assert [record["status"] for record in records] == ["success", "success"]
    assert all(record["content"]["intent"] == "ingest_vector" for record in records)
    assert all(re.fullmatch(r"cli-[0-9a-f]{16}", record["content"]["batch_id"]) for record in records)


def test_an_unknown_id_lists_nothing(home):
    assert [
        catalogue(home, what, "nobody") for what in ("datasets", "assets", "runs", "lineage", "activity")
    ] == [[]] * 5


def test_no_secret_of_a_run_is_listed(home):
    tokens = {run["token"] for run in documents(home, "runs")}
    listed = json.dumps(
        [catalogue(home, what) for what in ("datasets", "assets", "runs", "lineage", "activity", "manifests")]
    )
    assert len(tokens) == 4
    assert [token for token in tokens if token in listed] == []


@pytest.mark.parametrize("what", ["datasets", "assets", "runs", "lineage", "activity", "manifests"])
def test_a_person_gets_a_table(what, home):
    answer = geoingest("catalog", what, "--home", home)
    assert answer.code == 0
    assert len(answer.stdout.splitlines()) > 3
