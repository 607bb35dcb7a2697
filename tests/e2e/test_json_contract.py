"""The `--json` contract: one object, its keys and types, the exit code, and no traceback whatever comes in."""

from __future__ import annotations

import json
import re
import shutil
import uuid
import warnings
from pathlib import Path

import pyarrow as pa
import pytest
import shapely

from e2e.command import Answer, geoingest_process, ingested, run
from e2e.home import assert_at_rest, assert_never_run, documents, lake
from e2e.test_repeat import manifest
from sources import sample_table, write_sample, write_vector

STAGES = {"load", "transform", "export"}
ERROR_KEYS = {"code", "message", "hint", "stage", "problems"}
CODE = re.compile(r"[A-Z][A-Z0-9_]+")


def test_success_has_every_key_of_the_contract_with_its_type(tmp_path):
    source = write_sample("gpkg", tmp_path / "in")
    report = ingested(tmp_path / "home", source, "--dataset-id", "places", "--title", "Places")
    stages, seconds = report.pop("stages"), report.pop("seconds")
    path, run_id, content_hash = report.pop("path"), report.pop("run_id"), report.pop("content_hash")
    assert report == {
        "status": "success",
        "dataset_id": "places",
        "version": 1,
        "kind": "spatial",
        "format": "geoparquet",
        "uri": "s3://data-lake/places/v1/data.parquet",
        "rows": 5,
        "crs": "EPSG:4326",
        "bounds": [-8.0, -47.0, 8.75, 47.5],
        "geometry_type": "POINT",
        "warnings": [],
    }
    assert path == str(tmp_path / "home" / "data-lake" / "places" / "v1" / "data.parquet")
    assert str(uuid.UUID(run_id)) == run_id
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", content_hash)
    assert stages.keys() == STAGES
    assert all(isinstance(value, float) and 0 <= value <= seconds for value in [*stages.values(), seconds])


def test_warnings_are_told_in_the_object_and_on_stderr(tmp_path):
    bow_tie = shapely.to_wkb(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))
    source = write_vector(
        tmp_path / "bow.gpkg", pa.table({"geometry": [bow_tie]}), driver="GPKG", geometry_type="Polygon"
    )
    answer = geoingest_process("run", source, "--home", tmp_path / "home", "--json")
    [warning] = answer.document["warnings"]
    assert "1 invalid" in warning
    assert answer.stderr == f"warning: {warning}\n"


def several_layers(folder: Path) -> Path:
    path = write_vector(folder / "two.gpkg", sample_table("number"), driver="GPKG", layer="roads")
    return write_vector(path, sample_table("number"), driver="GPKG", layer="rivers", append=True)


def without_crs(folder: Path) -> Path:
    path = write_vector(folder / "nowhere.shp", sample_table("number"), driver="ESRI Shapefile")
    path.with_suffix(".prj").unlink()
    return path


def out_of_range(folder: Path) -> Path:
    table = sample_table("number")
    points = pa.array(shapely.to_wkb(shapely.points([[500000.0 + n, 5000000.0] for n in range(5)])))
    return write_vector(folder / "far.gpkg", table.set_column(1, "geometry", points), driver="GPKG")


def truncated(file_format: str, share: float):
    def make(folder: Path) -> Path:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Value .* not successfully written")
            path = write_sample(file_format, folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return path

    return make


def holding(name: str, content: bytes):
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def without_data_pages(folder: Path) -> Path:
    path = write_sample("gpkg", folder)
    content = bytearray(path.read_bytes())
    content[8192:] = bytes(len(content) - 8192)
    path.write_bytes(content)
    return path


def missing(folder: Path) -> Path:
    return folder / "missing.gpkg"


TIFF = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
VRT = b'{"type": "FeatureCollection", "features": []}'.replace(b"{", b"<OGRVRTDataSource>{", 1)
FAILING = {
    "garbage": (holding("a.gpkg", bytes(range(256)) * 40), 2, "FORMAT_UNKNOWN"),
    "garbage-json": (
        holding("a.geojson", b'{"type": "FeatureCollection", "features": [{"ty'),
        1,
        "SOURCE_UNREADABLE",
    ),
    "half-a-gpkg": (truncated("gpkg", 0.5), 1, "SOURCE_UNREADABLE"),
    "most-of-a-gpkg": (truncated("gpkg", 0.95), 1, "SOURCE_UNREADABLE"),
    "zeroed-gpkg": (without_data_pages, 1, "SOURCE_UNREADABLE"),
    "truncated-fgb": (truncated("fgb", 0.8), 1, "SOURCE_UNREADABLE"),
    "truncated-shp": (truncated("shp", 0.8), 1, "SOURCE_UNREADABLE"),
    "truncated-zip": (truncated("shp.zip", 0.8), 1, "ARCHIVE_DAMAGED"),
    "truncated-geojson": (truncated("geojson", 0.8), 1, "SOURCE_UNREADABLE"),
    "truncated-gml": (truncated("gml", 0.8), 1, "SOURCE_UNREADABLE"),
    "truncated-kml": (truncated("kml", 0.8), 1, "SOURCE_UNREADABLE"),
    "empty-file": (holding("a.gpkg", b""), 2, "SOURCE_EMPTY"),
    "missing-file": (missing, 2, "SOURCE_NOT_FOUND"),
    "several-layers": (several_layers, 1, "LAYER_AMBIGUOUS"),
    "no-crs": (without_crs, 1, "CRS_MISSING"),
    "out-of-range": (out_of_range, 1, "COORDS_OUT_OF_RANGE"),
    "raster": (holding("a.tif", TIFF), 2, "LANE_NOT_INSTALLED"),
    "table": (holding("a.csv", b"a,b\n1,2\n"), 2, "LANE_NOT_INSTALLED"),
    "a-driver-that-reads-elsewhere": (holding("a.geojson", VRT), 2, "FORMAT_UNKNOWN"),
}


def assert_failed_properly(answer: Answer, code: int, error_code: str) -> None:
    assert (answer.code, answer.error["code"]) == (code, error_code), answer
    assert answer.document["status"] == ("failure" if code == 1 else "rejected")
    assert answer.error.keys() == ERROR_KEYS
    assert CODE.fullmatch(answer.error["code"])
    assert answer.error["message"]
    assert answer.error["hint"]
    assert "Traceback" not in answer.stderr
    assert answer.error["code"] in answer.stderr
    assert answer.error["hint"] in answer.stderr


@pytest.mark.parametrize("case", FAILING)
def test_a_failing_input_says_why_and_leaves_nothing(case, tmp_path):
    make, code, error_code = FAILING[case]
    (tmp_path / "in").mkdir()
    source = make(tmp_path / "in")
    home = tmp_path / "home"
    answer = run(home, source)
    assert_failed_properly(answer, code, error_code)
    assert_never_run(home)
    runs = documents(home, "runs")
    assert [(found["status"], found["error"]["code"]) for found in runs] == [("failure", error_code)] * (
        2 - code
    )
    if runs:
        assert answer.document["stages"].keys() == STAGES
        assert answer.error == runs[0]["error"]
        assert answer.error["stage"] == "load"
        [record] = documents(home, "manifests")
        assert (record["status"], record["error"]["code"]) == ("failure", error_code)


@pytest.mark.parametrize("intent", ["ingest_raster", "ingest_tabular", "join_datasets"])
def test_a_manifest_for_a_lane_that_is_not_installed_is_refused(intent, tmp_path):
    home = tmp_path / "home"
    kind = {"ingest_raster": "raster", "ingest_tabular": "tabular"}.get(intent)
    files = [{"path": "landing-zone/a.bin", "type": kind, "format": "x"}] if kind else []
    path = manifest(
        home / "landing-zone" / "manifests" / "m.json", dataset_id="d", key="a", intent=intent, files=files
    )
    if kind is None:
        document = json.loads(path.read_text())
        config = {"spatial_dataset_id": "a", "tabular_dataset_id": "b", "left_key": "k"}
        document["metadata"]["join_config"] = config
        path.write_text(json.dumps(document))
    answer = run(home, path)
    assert_failed_properly(answer, 2, "LANE_NOT_INSTALLED")
    assert [record["status"] for record in documents(home, "manifests")] == ["rejected"]
    assert_never_run(home)


def test_in_its_own_process_a_failure_prints_one_object_and_no_traceback(tmp_path):
    (tmp_path / "in").mkdir()
    for number, case in enumerate(("half-a-gpkg", "garbage", "several-layers")):
        make, code, error_code = FAILING[case]
        (tmp_path / "in" / str(number)).mkdir()
        answer = geoingest_process(
            "run", make(tmp_path / "in" / str(number)), "--home", tmp_path / "home", "--json"
        )
        assert_failed_properly(answer, code, error_code)
    assert_never_run(tmp_path / "home")


def test_a_failed_run_does_not_touch_the_versions_before_it(tmp_path):
    good = write_sample("gpkg", tmp_path / "in")
    (tmp_path / "bad").mkdir()
    bad = several_layers(tmp_path / "bad")
    ingested(tmp_path / "home", good, "--dataset-id", "d")
    before = lake(tmp_path / "home")
    assert run(tmp_path / "home", bad, "--dataset-id", "d").code == 1
    assert lake(tmp_path / "home") == before
    assert ingested(tmp_path / "home", bad, "--dataset-id", "d", "--layer", "rivers")["version"] == 2
    assert_at_rest(tmp_path / "home")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--dataset-id", "../up"), id="dataset-id"),
        pytest.param(("--crs", "nonsense"), id="crs"),
        pytest.param(("--intent", "ingest_everything"), id="intent"),
        pytest.param(("--intent", "ingest_raster"), id="intent-against-the-bytes"),
    ],
)
def test_an_option_that_breaks_a_rule_is_refused_with_the_rule(arguments, tmp_path):
    answer = run(tmp_path / "home", write_sample("geojson", tmp_path / "in"), *arguments)
    assert answer.code == 2
    assert answer.document["status"] == "rejected"
    assert answer.error["hint"]
    assert_never_run(tmp_path / "home")


def test_an_unknown_crs_code_fails_with_its_own_code(tmp_path):
    shutil.copytree(write_sample("topojson", tmp_path / "in").parent, tmp_path / "copy")
    answer = run(tmp_path / "home", tmp_path / "copy" / "places.topojson", "--crs", "EPSG:999999")
    assert answer.error["code"] == "CRS_UNKNOWN"
    assert_never_run(tmp_path / "home")


def test_without_json_people_get_words_and_stdout_no_object(tmp_path):
    source = write_sample("gpkg", tmp_path / "in")
    answer = geoingest_process("run", source, "--home", tmp_path / "home", "--dataset-id", "places")
    assert answer.code == 0
    assert answer.stdout.startswith("places v1  5 rows in ")
    assert "{" not in answer.stdout


def test_a_lane_that_is_switched_off_is_refused_with_that_reason(tmp_path):
    source = write_sample("gpkg", tmp_path / "in")
    answer = geoingest_process("run", source, "--home", tmp_path / "home", "--json", GEOINGEST_LANES="raster")
    assert_failed_properly(answer, 2, "LANE_DISABLED")
