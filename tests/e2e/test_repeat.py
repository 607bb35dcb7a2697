"""The same input again, elsewhere, or several times at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from e2e.command import catalogue, geoingest_process, ingested, start
from e2e.home import assert_at_rest, documents, recorded, sha256
from sources import write_sample


def manifest(path: Path, *, dataset_id: str, key: str, **more: object) -> Path:
    document = {
        "batch_id": "b1",
        "uploader": "tests",
        "intent": "ingest_vector",
        "files": [{"path": f"s3://landing-zone/{key}", "type": "vector", "format": "GPKG"}],
        "metadata": {
            "title": "Places",
            "description": "",
            "source": "",
            "license": "",
            "attribution": "",
            "tags": {"dataset_id": dataset_id},
        },
    } | more
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_the_same_input_gives_the_same_bytes_in_every_home_and_through_every_door(tmp_path):
    source = write_sample("gpkg", tmp_path / "in")
    first = ingested(tmp_path / "a", source, "--dataset-id", "places")
    again = ingested(tmp_path / "a", source, "--dataset-id", "places")
    other = geoingest_process("run", source, "--home", tmp_path / "b", "--json", PYTHONHASHSEED="7").document

    landed = tmp_path / "c" / "landing-zone" / "deep" / "places.gpkg"
    landed.parent.mkdir(parents=True)
    shutil.copyfile(source, landed)
    listed = manifest(
        tmp_path / "c" / "landing-zone" / "manifests" / "m.json", dataset_id="p", key="deep/places.gpkg"
    )
    by_manifest = ingested(tmp_path / "c", listed)

    reports = [first, again, other, by_manifest]
    assert [report["version"] for report in reports] == [1, 2, 1, 1]
    assert {report["content_hash"] for report in reports} == {f"sha256:{sha256(Path(first['path']))}"}
    assert {Path(report["path"]).read_bytes() for report in reports} == {Path(first["path"]).read_bytes()}


def test_four_processes_that_ingest_one_dataset_at_once_make_versions_one_to_four(tmp_path):
    home = tmp_path / "home"
    sources = [write_sample(kind, tmp_path / kind) for kind in ("gpkg", "fgb", "geojson", "geojsonseq")]
    processes = [
        start("run", source, "--dataset-id", "places", "--home", home, "--json") for source in sources
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [(process.returncode, output[1]) for process, output in zip(processes, outputs, strict=True)] == [
        (0, "")
    ] * 4
    reports = [json.loads(stdout) for stdout, _ in outputs]

    assert sorted(report["version"] for report in reports) == [1, 2, 3, 4]
    assert {report["content_hash"] for report in reports} == set(recorded(home).values())
    for report in reports:
        assert report["content_hash"] == f"sha256:{sha256(Path(report['path']))}"
    assert_at_rest(home)
    assert [asset["version"] for asset in catalogue(home, "assets", "places")] == [1, 2, 3, 4]
    [dataset] = catalogue(home, "datasets")
    assert (dataset["latest_version"], dataset["kind"]) == (4, "spatial")
    assert len(documents(home, "lineage")) == 4


def test_without_a_home_the_data_goes_below_the_folder_where_the_command_is_started(tmp_path):
    source = write_sample("geojson", tmp_path / "in")
    (tmp_path / "work").mkdir()
    report = geoingest_process("run", source, "--json", cwd=tmp_path / "work").document
    assert Path(report["path"]).is_relative_to(tmp_path / "work" / ".geoingest" / "data-lake")
