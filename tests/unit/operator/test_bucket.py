"""The bucket entry over a folder: each content of each key is one run, whatever happens in between."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from geoingest.errors.run import StoreUnavailableError
from geoingest.model.run import RunError, RunStatus
from geoingest.runtime.platform import Platform
from geoingest.settings import Settings
from geoingest.stores.ledger.runs import end_run
from geoingest.stores.objects.directory import DirectoryObjects
from geoingest_operator.bucket import (
    Landing,
    OnlyPlanned,
    Refused,
    Started,
    ingest_uid,
    is_manifest_key,
    take_manifest,
)
from ledgers import manifest, open_ledger


@pytest.fixture
def platform(tmp_path):
    documents = open_ledger(tmp_path / "ledger" / "ledger.sqlite")
    (tmp_path / "landing-zone").mkdir()
    (tmp_path / "landing-zone" / "a.gpkg").write_bytes(b"data")
    yield Platform(
        settings=Settings(home=tmp_path),
        documents=documents,
        objects=DirectoryObjects(tmp_path),
        holder="test",
    )
    documents.close()


def drop(platform, name: str = "m.json", content: str | None = None, *, at_ns: int = 10**18) -> Path:
    path = platform.settings.home / "landing-zone" / "manifests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest()) if content is None else content)
    os.utime(path, ns=(at_ns, at_ns))
    return path


def object_at(platform, key: str = "manifests/m.json"):
    item = platform.objects.head("landing-zone", key)
    assert item is not None
    return item


def archived(platform, suffix: str = "") -> dict[str, bytes]:
    top = platform.settings.home / "landing-zone"
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in (top / "archive").rglob(f"*{suffix}")
        if path.is_file()
    }


def find(platform, collection: str):
    return platform.documents.find(collection, {})


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("manifests/a.json", True),
        ("manifests/deep/er/a.yaml", True),
        ("manifests/A.YML", True),
        ("manifests/a.geojson", False),
        ("manifests/a.json.part", False),
        ("manifests/.a.json", False),
        ("manifests/json", False),
        ("other/a.json", False),
        ("archive/manifests/a.json", False),
        ("manifestsa.json", False),
    ],
)
def test_manifests_are_told_by_their_key(key, expected):
    assert is_manifest_key(key) is expected


def test_a_manifest_is_shown_once_it_stands_still(platform):
    landing = Landing(platform)
    path = drop(platform, content="{")
    assert landing.look() == []
    drop(platform, content='{"batch', at_ns=10**18 + 1)
    assert landing.look() == []
    assert landing.look() == [object_at(platform)]
    path.unlink()
    assert landing.look() == []
    assert landing.is_empty


def test_a_manifest_becomes_a_recorded_run_and_is_archived(platform):
    path = drop(platform)
    content, item = path.read_bytes(), object_at(platform)
    taken = take_manifest(platform, item)
    assert isinstance(taken, Started)
    [run] = find(platform, "runs")
    assert (run["run_id"], run["status"], run["uid"]) == (taken.run.run_id, "running", ingest_uid(item))
    assert taken.event is not None
    assert (taken.event.type, taken.event.data.token) == ("dev.geoingest.run.requested.v1", run["token"])
    [(key, kept)] = archived(platform).items()
    assert (kept, path.exists()) == (content, False)
    [record] = find(platform, "manifests")
    assert (record["path"], record["archived_as"]) == (item.uri, f"s3://landing-zone/{key}")
    assert [act["action"] for act in find(platform, "activity_logs")] == ["create_manifest", "run_started"]


def test_the_same_content_is_one_run_and_a_new_one_another(platform):
    path = drop(platform)
    item = object_at(platform)
    first = take_manifest(platform, item)
    assert take_manifest(platform, item) is None
    drop(platform)
    again = take_manifest(platform, object_at(platform))
    assert (again.run.run_id, again.event) == (first.run.run_id, first.event)
    assert not path.exists()
    drop(platform, at_ns=10**18 + 1)
    other = take_manifest(platform, object_at(platform))
    assert other.run.run_id != first.run.run_id
    assert len(find(platform, "runs")) == 2
    assert len(archived(platform)) == 2


def test_a_run_that_ended_before_its_manifest_was_archived_is_not_begun_again(platform):
    drop(platform)
    item = object_at(platform)
    first = take_manifest(platform, item)
    end_run(platform.documents, first.run, status=RunStatus.FAILURE, error=RunError(code="X", message="m"))
    # As after a crash between the record and the move; the source is gone by now.
    (platform.settings.home / "landing-zone" / "a.gpkg").unlink()
    drop(platform)
    again = take_manifest(platform, object_at(platform))
    assert (again.run.status, again.event) == (RunStatus.FAILURE, None)
    assert len(archived(platform)) == 1
    assert [record["status"] for record in find(platform, "manifests")] != ["rejected"]


BAD = {
    "broken": ("{", "MANIFEST_UNREADABLE"),
    "invalid": ('{"intent": "x"}', "MANIFEST_INVALID"),
    "no-file": (json.dumps(manifest()).replace("a.gpkg", "b.gpkg"), "SOURCE_NOT_FOUND"),
    "lane": (
        json.dumps(
            manifest()
            | {
                "intent": "ingest_tabular",
                "files": [{"path": "s3://landing-zone/a.csv", "type": "tabular", "format": "CSV"}],
            }
        ),
        "LANE_NOT_INSTALLED",
    ),
}


@pytest.mark.parametrize(("content", "code"), BAD.values(), ids=BAD.keys())
def test_what_can_never_run_is_recorded_and_kept_with_its_reasons(content, code, platform):
    drop(platform, content=content)
    item = object_at(platform)
    refused = [take_manifest(platform, item), None]
    drop(platform, content=content)
    refused[1] = take_manifest(platform, object_at(platform))
    assert [(type(each), each.error.code) for each in refused] == [(Refused, code)] * 2
    [record] = find(platform, "manifests")
    assert (record["status"], record["content"], record["error"]["code"]) == ("rejected", content, code)
    [act] = find(platform, "activity_logs")
    assert (act["action"], act["resource_id"]) == ("reject_manifest", record["manifest_id"])
    kept = archived(platform)
    uri = record["archived_as"].removeprefix("s3://landing-zone/")
    assert uri.startswith("archive/rejected/")
    assert kept.keys() == {uri, f"{uri}.reasons.json"}
    assert kept[uri] == content.encode()
    assert json.loads(kept[f"{uri}.reasons.json"]) == refused[0].error.as_dict()
    assert find(platform, "runs") == []


def test_the_reasons_of_a_manifest_with_the_longest_name_are_kept_too(platform):
    name = "n" * 250 + ".json"
    drop(platform, name, content="{")
    assert isinstance(take_manifest(platform, object_at(platform, f"manifests/{name}")), Refused)
    assert sorted(map(len, (Path(key).name for key in archived(platform)))) == [255, 255]


def test_an_ingest_that_only_asks_for_its_plan_gets_it_beside_its_manifest(platform):
    example = yaml.safe_load(Path("examples/countries/ingest.yaml").read_text())
    example["spec"]["mode"] = "Plan"
    (platform.settings.home / "landing-zone" / "countries").mkdir()
    (platform.settings.home / "landing-zone" / "countries" / "countries.geojson").write_text("{}")
    drop(platform, "p.yaml", yaml.safe_dump(example))
    taken = take_manifest(platform, object_at(platform, "manifests/p.yaml"))
    assert isinstance(taken, OnlyPlanned)
    assert (find(platform, "runs"), find(platform, "manifests")) == ([], [])
    [plan] = archived(platform, ".plan.json").values()
    assert json.loads(plan)["sources"][0]["path"] == "s3://landing-zone/countries/countries.geojson"
    assert len(archived(platform)) == 2


class Unreliable(DirectoryObjects):
    """A store that is away for the first call of one method, before or after it did its work."""

    def __init__(self, root: Path, method: str, *, after: bool) -> None:
        super().__init__(root)
        self._left = 1
        inner = getattr(self, method)

        def away(*arguments, **options):
            if self._left and not after:
                self._left = 0
                raise StoreUnavailableError(where="x", reason="away")
            done = inner(*arguments, **options)
            if self._left:
                self._left = 0
                raise StoreUnavailableError(where="x", reason="away")
            return done

        setattr(self, method, away)


@pytest.mark.parametrize("content", [None, "{"], ids=["good", "bad"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("method", ["fetch", "head", "move"])
def test_a_store_that_is_away_for_a_moment_loses_and_doubles_nothing(method, after, content, platform):
    shaky = Platform(
        settings=platform.settings,
        documents=platform.documents,
        objects=Unreliable(platform.settings.home, method, after=after),
        holder="test",
    )
    path = drop(platform, content=content)
    item = object_at(platform)
    with pytest.raises(StoreUnavailableError):
        take_manifest(shaky, item)
    landed = platform.objects.head("landing-zone", "manifests/m.json")
    if landed is not None:
        assert take_manifest(shaky, landed) is not None
    assert not path.exists()
    assert [record["status"] for record in find(platform, "manifests")] == [
        "running" if content is None else "rejected"
    ]
    assert len(find(platform, "runs")) == (content is None)
    assert len([key for key in archived(platform) if not key.endswith(".reasons.json")]) == 1


class Replacing(DirectoryObjects):
    """A store in which somebody replaces the manifest right before it is moved."""

    def __init__(self, root: Path, replace) -> None:
        super().__init__(root)
        self._replace = replace

    def move(self, bucket, key, to_key):
        self._replace()
        self._replace = lambda: None
        super().move(bucket, key, to_key)


def test_a_manifest_that_is_replaced_while_it_is_taken_is_taken_as_well(platform):
    old, new = json.dumps(manifest("old")), json.dumps(manifest("new"))
    objects = Replacing(
        platform.settings.home, lambda: drop(platform, content=new, at_ns=10**18 + 5) and None
    )
    busy = Platform(settings=platform.settings, documents=platform.documents, objects=objects, holder="test")
    drop(platform, content=old)
    assert take_manifest(busy, object_at(platform)).run.dataset_id == "old"
    assert take_manifest(busy, object_at(platform)).run.dataset_id == "new"
    assert sorted(archived(platform).values()) == sorted([old.encode(), new.encode()])


names = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=40)


@given(first=names, second=names, etags=st.tuples(names, names))
def test_the_identity_is_a_function_of_key_and_etag_alone(first, second, etags):
    from datetime import UTC, datetime

    from geoingest.stores.objects.port import ObjectInfo

    def uid(key, etag, size=1):
        return ingest_uid(
            ObjectInfo(bucket="b", key=key, etag=etag, size_bytes=size, modified_at=datetime.now(UTC))
        )

    assert uid(first, etags[0]) == uid(first, etags[0], size=2)
    assert (uid(first, etags[0]) == uid(second, etags[1])) == ((first, etags[0]) == (second, etags[1]))
