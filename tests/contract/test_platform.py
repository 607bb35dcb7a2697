"""The whole chain over S3 and MongoDB as the platform has them; looked at with plain clients of both."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import uuid
from contextlib import closing
from http.client import HTTPConnection

import pyarrow.parquet as pq
import pytest
from pymongo import MongoClient

from contract.servers import free_port, serve
from e2e.command import ROOT, geoingest
from e2e.command import environment as command_environment
from geoingest.cli.local import plan_ingest, run_planned
from geoingest.cli.sources import identified
from geoingest.errors.manifest import ManifestInvalidError
from geoingest.events import from_headers, to_body, to_headers
from geoingest.model.ingest import parse_ingest
from geoingest.model.run import RunStatus
from geoingest.runtime.platform import open_platform
from geoingest.settings import read_settings
from geoingest.stores.ledger.runs import register_run
from geoingest_operator.finish import finish_run
from geoingest_operator.intake import record_rejection
from geoingest_operator.janitor import Swept, sweep

CANARIES = ("canary-secret-key", "AKIAIOSFODNN7EXAMPLE")


@pytest.fixture(params=["mongo_uri", "lone_mongo_uri"], ids=["replica set", "lone server"])
def ledger_uri(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def buckets(plain_s3):
    names = tuple(f"{name}-{uuid.uuid4().hex}" for name in ("landing", "lake"))
    for name in names:
        plain_s3.create_bucket(Bucket=name)
    return names


@pytest.fixture
def environment(buckets, ledger_uri, tmp_path):
    landing, lake = buckets
    return {
        "GEOINGEST_OBJECT_STORE": "s3",
        "GEOINGEST_LANDING_BUCKET": landing,
        "GEOINGEST_LAKE_BUCKET": lake,
        "GEOINGEST_LEDGER_URI": ledger_uri,
        "GEOINGEST_SCRATCH_DIR": str(tmp_path / "scratch"),
        "GEOINGEST_HOME": str(tmp_path / "home"),
    }


@pytest.fixture
def platform(environment):
    with open_platform(read_settings(environment)) as platform:
        yield platform


@pytest.fixture
def ledger(ledger_uri):
    """The documents of a collection as a plain client gives them."""
    with MongoClient(ledger_uri, tz_aware=True) as client:
        yield lambda name: list(client.get_default_database()[name].find())


def features(*names, broken=""):
    points = [
        {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Point", "coordinates": [8 + n, 47]},
        }
        for n, name in enumerate(names)
    ]
    return (json.dumps({"type": "FeatureCollection", "features": points}) + broken).encode()


def manifest(landing, **metadata):
    blank = dict.fromkeys(("description", "source", "license", "attribution"), "")
    return {
        "batch_id": "b",
        "uploader": "ada",
        "intent": "ingest_vector",
        "files": [{"path": f"s3://{landing}/in/places.geojson", "type": "vector", "format": "GeoJSON"}],
        "metadata": {"title": "Places", **blank, "tags": {"dataset_id": "places"}} | metadata,
    }


def planned(platform, document):
    landing = platform.settings.landing_bucket
    return plan_ingest(platform, identified(parse_ingest(document, landing_bucket=landing), name="places"))


def run(platform, plan):
    return run_planned(platform, plan, watch=lambda *_: None)


def lake_objects(plain_s3, lake):
    return [item["Key"] for item in plain_s3.list_objects_v2(Bucket=lake).get("Contents", [])]


def test_a_vector_ingest_becomes_an_object_and_documents_that_agree(
    platform, plain_s3, buckets, ledger, tmp_path
):
    landing, lake = buckets
    for names in (("Bern", "Zürich"), ("Bern", "Zürich", "Genève")):
        plain_s3.put_object(Bucket=landing, Key="in/places.geojson", Body=features(*names))
        assert run(platform, planned(platform, manifest(landing))).status is RunStatus.SUCCESS
    assert lake_objects(plain_s3, lake) == ["places/v1/data.parquet", "places/v2/data.parquet"]
    first, second = sorted(ledger("assets"), key=lambda asset: asset["version"])
    for asset, rows in ((first, 2), (second, 3)):
        answer = plain_s3.get_object(Bucket=lake, Key=asset["s3_key"])
        content = answer["Body"].read()
        digest = hashlib.sha256(content).hexdigest()
        assert (asset["status"], asset["content_hash"], asset["row_count"]) == (
            "available",
            f"sha256:{digest}",
            rows,
        )
        assert (answer["ContentType"], answer["Metadata"]) == (
            "application/vnd.apache.parquet",
            {"sha256": digest},
        )
        assert pq.read_table(io.BytesIO(content)).num_rows == rows
    [source] = second["source_files"]
    assert source["sha256"] == hashlib.sha256(features("Bern", "Zürich", "Genève")).hexdigest()
    assert {edge["target_asset_id"]: edge["source_asset_id"] for edge in ledger("lineage")} == {
        first["_id"]: None,
        second["_id"]: first["_id"],
    }
    assert {r["_id"]: (r["status"], r["asset_id"]) for r in ledger("runs")} == {
        asset["run_id"]: ("success", asset["_id"]) for asset in (first, second)
    }
    assert [(d["_id"], d["latest_version"], d["kind"]) for d in ledger("datasets")] == [
        ("places", 2, "spatial")
    ]
    assert {m["status"] for m in ledger("manifests")} == {"success"}
    assert sorted(entry["action"] for entry in ledger("activity_logs")).count("run_success") == 2
    assert list((tmp_path / "scratch").iterdir()) == []
    assert not (tmp_path / "home" / "ledger" / "ledger.sqlite").exists()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        pytest.param(
            lambda s3, landing, _lake: s3.put_object(Bucket=landing, Key="in/places.geojson", Body=b"{}"),
            "SOURCE_CHANGED",
            id="source replaced",
        ),
        pytest.param(
            lambda s3, landing, _lake: s3.delete_object(Bucket=landing, Key="in/places.geojson"),
            "SOURCE_NOT_FOUND",
            id="source gone",
        ),
        pytest.param(
            lambda s3, _landing, lake: s3.delete_bucket(Bucket=lake), "BUCKET_NOT_FOUND", id="no lake"
        ),
    ],
)
def test_a_failing_run_says_why_and_leaves_nothing(platform, plain_s3, buckets, ledger, *, spoil, code):
    landing, lake = buckets
    plain_s3.put_object(Bucket=landing, Key="in/places.geojson", Body=features("Bern"))
    plan = planned(platform, manifest(landing))
    spoil(plain_s3, landing, lake)
    assert run(platform, plan).status is RunStatus.FAILURE
    [document], [record] = ledger("runs"), ledger("manifests")
    assert (document["status"], document["error"]["code"], record["status"]) == ("failure", code, "failure")
    assert record["error"] == document["error"]
    assert (ledger("lineage"), [a["action"] for a in ledger("activity_logs")].count("run_failure")) == ([], 1)
    if code == "BUCKET_NOT_FOUND":
        plain_s3.create_bucket(Bucket=lake)
        assert sweep(platform) == Swept(ended=(), cleaned=(document["_id"],))
    assert (ledger("assets"), lake_objects(plain_s3, lake)) == ([], [])
    assert not any(canary in str(document) for canary in CANARIES)


def test_a_rejected_manifest_is_recorded_and_archived(platform, plain_s3, buckets, ledger, tmp_path):
    landing, _ = buckets
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest(landing, surprise=1)))
    with pytest.raises(ManifestInvalidError) as raised:
        planned(platform, path.read_bytes())
    record_rejection(platform, raised.value, content=path.read_bytes(), path=path)
    [record] = ledger("manifests")
    assert (record["status"], record["error"]["code"]) == ("rejected", raised.value.code)
    key = record["archived_as"].removeprefix(f"s3://{landing}/")
    assert key.startswith("archive/rejected/")
    assert plain_s3.get_object(Bucket=landing, Key=key)["Body"].read() == path.read_bytes()
    assert ledger("runs") == []


def test_the_command_line_works_on_the_platforms_stores(environment, monkeypatch, buckets, ledger, tmp_path):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    migrated = geoingest("ledger", "migrate", "--json")
    assert (migrated.code, migrated.document) == (0, {"applied": [1, 2]})
    assert geoingest("ledger", "migrate", "--json").document == {"applied": []}
    source = tmp_path / "towns.geojson"
    source.write_bytes(features("Bern"))
    ended = geoingest("run", source, "--dataset-id", "towns", "--json").document
    assert (ended["status"], ended["path"]) == ("success", None)
    assert ended["uri"] == f"s3://{buckets[1]}/towns/v1/data.parquet"
    assert source.read_bytes() == features("Bern")
    [item] = geoingest("catalog", "assets", "--json").document["items"]
    assert item["asset_id"] == ledger("assets")[0]["_id"]
    assert geoingest("show", "towns", "--html", tmp_path / "page.html").code == 0
    assert "<svg" in (tmp_path / "page.html").read_text()
    findings = {f["check"]: f["outcome"] for f in geoingest("doctor", "--json").document["items"]}
    assert {name: findings[name] for name in (f"bucket {buckets[0]}", f"bucket {buckets[1]}", "ledger")} == {
        f"bucket {buckets[0]}": "ok",
        f"bucket {buckets[1]}": "ok",
        "ledger": "ok",
    }


def answered(stage, event, *, environment, folder):
    """The event that the stage's function, a server of its own, answers with."""
    port = free_port()
    framework = [sys.executable, "-m", "functions_framework", "--target", "handle"]
    command = [*framework, "--host", "127.0.0.1", "--port", str(port)]
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    settings = command_environment(PYTHONWARNINGS="default") | aws | environment
    cwd = ROOT / "functions" / stage
    with (
        serve(command, port=port, log=folder / f"{stage}.log", cwd=cwd, settings=settings),
        closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection,
    ):
        connection.request("POST", "/", body=to_body(event), headers=to_headers(event))
        response = connection.getresponse()
        assert response.status == 200
        return from_headers(dict(response.getheaders()), response.read())


def test_three_functions_in_processes_of_their_own_share_the_stores_and_one_scratch_folder(
    environment, plain_s3, buckets, ledger, tmp_path
):
    landing, lake = buckets
    plain_s3.put_object(Bucket=landing, Key="in/places.geojson", Body=features("Bern"))
    with open_platform(read_settings(environment)) as platform:
        plan = planned(platform, manifest(landing))
        register_run(platform.documents, run=plan.run, manifest=plan.manifest, dataset=plan.dataset)
        event = plan.event
        for stage in ("load", "transform", "export"):
            event = answered(stage, event, environment=environment, folder=tmp_path)
        assert event.type == "dev.geoingest.dataset.exported.v1"
        assert finish_run(platform, plan.run.run_id)
    [asset] = ledger("assets")
    content = plain_s3.get_object(Bucket=lake, Key=asset["s3_key"])["Body"].read()
    assert asset["content_hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert {stage: state["claims"] for stage, state in ledger("runs")[0]["stages"].items()} == {
        "load": 1,
        "transform": 1,
        "export": 1,
    }
    assert list((tmp_path / "scratch").iterdir()) == []
    assert not any(canary in path.read_text() for path in tmp_path.glob("*.log") for canary in CANARIES)
