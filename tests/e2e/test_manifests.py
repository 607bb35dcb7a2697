"""Manifests in a local landing zone: taken once and archived, or refused with everything that is wrong."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from e2e.command import ROOT, catalogue, ingested, run
from e2e.home import assert_at_rest, assert_never_run, documents, lake
from e2e.test_repeat import manifest
from referees import validator_failures
from sources import write_sample

EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*/*") if path.suffix in {".json", ".yaml"})
OLD_MANIFESTS = ROOT / "tests" / "manifests"


def landed(home: Path, key: str = "deep/places.gpkg") -> Path:
    """The sample table in the landing zone under `key`."""
    target = home / "landing-zone" / key
    target.parent.mkdir(parents=True, exist_ok=True)
    source = write_sample("gpkg", home.parent / "in")
    shutil.copyfile(source, target)
    source.unlink()
    return target


def archived(home: Path) -> list[Path]:
    return sorted(path for path in (home / "landing-zone" / "archive").rglob("*") if path.is_file())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_example_runs_as_it_is(example, tmp_path):
    home = tmp_path / "home"
    document = yaml.safe_load(example.read_text())
    spec = document.get("spec", document)
    for file in spec["files"]:
        key = file["path"].removeprefix("s3://landing-zone/")
        (home / "landing-zone" / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(example.parent / Path(key).name, home / "landing-zone" / key)
    report = ingested(home, example)
    assert (report["dataset_id"], report["version"]) == (example.parent.name, 1)
    assert report["rows"] == {"countries": 177, "cities": 243}[example.parent.name]
    assert validator_failures(Path(report["path"])) == []
    [asset] = catalogue(home, "assets")
    stated = spec["metadata"]
    assert {name: asset["metadata"][name] for name in stated} == stated
    # A manifest from elsewhere is copied to the archive, and stays.
    assert [path.read_bytes() for path in archived(home)] == [example.read_bytes()]
    assert_at_rest(home)


def test_the_examples_are_more_than_none():
    assert {path.name for path in EXAMPLES} == {"manifest.json", "ingest.yaml"}


def test_an_old_manifest_with_every_field_runs_unchanged(tmp_path):
    home = tmp_path / "home"
    manifest_path = home / "landing-zone" / "manifests" / "old.json"
    manifest_path.parent.mkdir(parents=True)
    shutil.copyfile(OLD_MANIFESTS / "vector_full.json", manifest_path)
    content = manifest_path.read_bytes()
    for name in ("nord", "süd"):
        landed(home, f"alkis/2023/flurstuecke_{name}.gpkg")
    report = ingested(home, "s3://landing-zone/manifests/old.json")
    assert (report["dataset_id"], report["rows"]) == ("parcels-beispiel", 10)

    [asset] = catalogue(home, "assets")
    metadata = asset["metadata"]
    assert metadata["title"] == "Flurstücke 2023, 4. Quartal"
    assert metadata["keywords"] == ["parcels", "cadastre", "Parcels", "ALKIS"]
    assert metadata["project"] == "digital-twin"
    # Compared as text: 1 and 1.0 and true are one in Python.
    assert json.dumps(metadata["tags"]) == json.dumps(json.loads(content)["metadata"]["tags"])
    [found] = catalogue(home, "runs")
    assert (found["operator"], found["source"], found["testing"]) == ("gis-team@stadt.example", "sftp", False)
    assert [path.read_bytes() for path in archived(home)] == [content]
    assert not manifest_path.exists()


def test_an_accepted_manifest_is_archived_once_and_never_over_an_earlier_one(tmp_path):
    home = tmp_path / "home"
    landed(home)
    contents = []
    for number in range(3):
        path = manifest(
            home / "landing-zone" / "manifests" / "m.json",
            dataset_id="d",
            key="deep/places.gpkg",
            batch_id=f"b{number}",
        )
        contents.append(path.read_bytes())
        # The same time and size: the names may not rest on them alone.
        os.utime(path, ns=(10**18 + number, 10**18 + number))
        assert ingested(home, path)["version"] == number + 1
        assert not path.exists()
    assert sorted(path.read_bytes() for path in archived(home)) == sorted(contents)
    records = catalogue(home, "manifests")
    uris = {
        f"s3://landing-zone/{path.relative_to(home / 'landing-zone').as_posix()}" for path in archived(home)
    }
    assert {record["archived_as"] for record in records} == uris
    assert {record["status"] for record in records} == {"success"}
    assert [record["content"]["batch_id"] for record in records] == ["b0", "b1", "b2"]
    assert_at_rest(home)


def test_a_manifest_whose_run_fails_is_archived_like_any_other(tmp_path):
    home = tmp_path / "home"
    (home / "landing-zone" / "deep").mkdir(parents=True)
    (home / "landing-zone" / "deep" / "places.gpkg").write_bytes(b"no geopackage at all")
    path = manifest(home / "landing-zone" / "manifests" / "m.json", dataset_id="d", key="deep/places.gpkg")
    answer = run(home, path)
    assert (answer.code, answer.error["code"]) == (1, "FORMAT_UNKNOWN")
    [record] = catalogue(home, "manifests")
    assert (record["status"], record["error"]["code"], record["error"]["stage"]) == (
        "failure",
        "FORMAT_UNKNOWN",
        "load",
    )
    assert len(archived(home)) == 1
    assert_never_run(home)


def test_a_refused_manifest_tells_every_problem_and_is_recorded_and_kept(tmp_path):
    home = tmp_path / "home"
    path = home / "landing-zone" / "manifests" / "bad.json"
    path.parent.mkdir(parents=True)
    shutil.copyfile(OLD_MANIFESTS / "bad_vector.json", path)
    content = path.read_bytes()
    answer = run(home, path)
    assert (answer.code, answer.document["status"], answer.error["code"]) == (
        2,
        "rejected",
        "MANIFEST_INVALID",
    )
    told = {problem["path"]: problem["message"] for problem in answer.error["problems"]}
    assert told.keys() >= {
        "batch_id",
        "uploader",
        "prioritty",
        "files[0].path",
        "files[0].laier",
        "files[1].type",
        "files[2].format",
        "files[3].path",
        "files[3].type",
        "files[3].format",
        "metadata.description",
        "metadata.license",
        "metadata.licence",
        "metadata.keywords",
        "metadata.tags.dataset_id",
        "metadata.tags.empty",
        "metadata.tags.nested",
        "metadata.tags.huge",
    }
    assert all(told.values())
    assert all(f"{where}: {what}" in answer.stderr for where, what in told.items())

    [record] = catalogue(home, "manifests")
    assert (record["status"], record["run_id"], record["content"]) == ("rejected", None, content.decode())
    assert record["completed_at"]
    assert record["error"] == answer.error
    [act] = catalogue(home, "activity")
    assert (act["action"], act["resource_type"], act["resource_id"]) == (
        "reject_manifest",
        "manifest",
        record["manifest_id"],
    )
    [kept] = archived(home)
    assert kept.read_bytes() == content
    assert kept.is_relative_to(home / "landing-zone" / "archive" / "rejected")
    assert record["archived_as"] == f"s3://landing-zone/{kept.relative_to(home / 'landing-zone').as_posix()}"
    assert not path.exists()
    assert_never_run(home)
    assert documents(home, "runs") == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"{", "MANIFEST_UNREADABLE", id="no-json"),
        pytest.param(b"a: [1", "MANIFEST_UNREADABLE", id="no-yaml"),
        pytest.param(b"\xff\xfe\x00", "MANIFEST_UNREADABLE", id="no-text"),
        pytest.param(b"", "MANIFEST_UNREADABLE", id="empty"),
        pytest.param(b"[1, 2]", "MANIFEST_INVALID", id="a-list"),
    ],
)
def test_what_is_no_manifest_at_all_is_refused_and_recorded(content, code, tmp_path):
    path = tmp_path / "landing-zone" / "manifests" / "m.yaml"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    answer = run(tmp_path, path)
    assert (answer.code, answer.error["code"]) == (2, code), answer
    assert "Traceback" not in answer.stderr
    assert [record["status"] for record in documents(tmp_path, "manifests")] == ["rejected"]
    assert [kept.read_bytes() for kept in archived(tmp_path)] == [content]
    assert_never_run(tmp_path)


def test_a_manifest_whose_file_is_missing_is_refused_and_names_it(tmp_path):
    path = manifest(tmp_path / "landing-zone" / "manifests" / "m.json", dataset_id="d", key="no/such.gpkg")
    answer = run(tmp_path, path)
    assert (answer.code, answer.error["code"]) == (2, "SOURCE_NOT_FOUND")
    assert "s3://landing-zone/no/such.gpkg" in answer.error["message"]
    assert [record["status"] for record in documents(tmp_path, "manifests")] == ["rejected"]
    assert_never_run(tmp_path)


def test_a_declared_format_that_the_bytes_deny_fails_the_run(tmp_path):
    home = tmp_path / "home"
    landed(home)
    files = [{"path": "landing-zone/deep/places.gpkg", "type": "vector", "format": "FlatGeobuf"}]
    path = manifest(home / "landing-zone" / "m.json", dataset_id="d", key="", files=files)
    answer = run(home, path)
    assert (answer.code, answer.error["code"]) == (1, "FORMAT_MISMATCH")
    assert_never_run(home)


def test_a_manifest_stands_alone_on_the_command_line(tmp_path):
    home = tmp_path / "home"
    data = landed(home)
    path = manifest(home / "landing-zone" / "m.json", dataset_id="d", key="deep/places.gpkg")
    answer = run(home, path, data)
    assert (answer.code, answer.error["code"]) == (2, "SOURCES_MIXED")
    assert path.exists()
    assert lake(home) == {}


def test_an_ingest_in_mode_plan_is_planned_and_not_run(tmp_path):
    home = tmp_path / "home"
    target = home / "landing-zone" / "countries" / "countries.geojson"
    target.parent.mkdir(parents=True)
    shutil.copyfile(ROOT / "examples" / "countries" / "countries.geojson", target)
    document = yaml.safe_load((ROOT / "examples" / "countries" / "ingest.yaml").read_text())
    document["spec"]["mode"] = "Plan"
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(document))
    answer = run(home, path)
    assert (answer.code, answer.document["status"], answer.document["dataset_id"]) == (
        0,
        "planned",
        "countries",
    )
    assert (lake(home), catalogue(home, "runs"), path.exists()) == ({}, [], True)
