"""The smaller commands: validate, show, doctor, janitor."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from e2e.command import ROOT, geoingest, geoingest_process, ingested
from e2e.home import sha256

COUNTRIES = ROOT / "examples" / "countries"
BAD = ROOT / "tests" / "manifests" / "bad_vector.json"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two versions of countries."""
    home = tmp_path_factory.mktemp("home")
    for title in ("First", "Second <b>&</b>"):
        ingested(home, COUNTRIES / "countries.geojson", "--dataset-id", "countries", "--title", title)
    return home


@pytest.mark.parametrize("name", ["manifest.json", "ingest.yaml"])
def test_validate_accepts_what_is_right(name):
    answer = geoingest("validate", COUNTRIES / name, "--json")
    assert (answer.code, answer.document) == (0, {"status": "valid", "intent": "ingest_vector", "files": 1})
    assert geoingest("validate", COUNTRIES / name).code == 0


def test_validate_lists_every_problem_and_records_nothing(tmp_path):
    answer = geoingest_process("validate", BAD, "--json", cwd=tmp_path)
    assert (answer.code, answer.document["status"], answer.error["code"]) == (
        2,
        "rejected",
        "MANIFEST_INVALID",
    )
    assert len(answer.error["problems"]) > 10
    for problem in answer.error["problems"]:
        assert f"{problem['path']}: {problem['message']}" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_validate_refuses_a_file_that_is_not_there(tmp_path):
    answer = geoingest("validate", tmp_path / "none.json")
    assert answer.code == 2
    assert "none.json" in answer.stderr


@pytest.mark.parametrize(
    ("wanted", "version", "title"), [("countries", 2, "Second <b>&</b>"), ("countries@v1", 1, "First")]
)
def test_show_describes_the_latest_version_or_the_named_one(wanted, version, title, home):
    answer = geoingest("show", wanted, "--home", home, "--json")
    document = answer.document
    assert answer.code == 0
    assert (document["version"], document["metadata"]["title"], document["row_count"]) == (
        version,
        title,
        177,
    )
    assert document["content_hash"] == f"sha256:{sha256(Path(document['path']))}"
    assert [edge["target_asset_id"] for edge in document["lineage"]] == [document["asset_id"]]
    words = geoingest("show", wanted, "--home", home)
    assert (words.code, words.stdout.splitlines()[0]) == (0, title)
    assert f"countries v{version}" in words.stdout


@pytest.mark.parametrize(
    "wanted", ["nobody", "countries@v3", "countries@v0", "countries@", "@v1", "countries@latest"]
)
def test_show_of_what_is_not_there_is_refused(wanted, home):
    answer = geoingest("show", wanted, "--home", home, "--json")
    assert (answer.code, answer.document["status"], answer.error["code"]) == (
        2,
        "rejected",
        "DATASET_NOT_FOUND",
    )
    assert answer.error["hint"]


class References(HTMLParser):
    """Whatever a page would fetch or run, and how many shapes it draws."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.paths = 0
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.paths += tag in {"path", "use"}
        self.outside += [
            value
            for name, value in attrs
            if name in {"src", "href", "xlink:href"} and not value.startswith(("#", "data:"))
        ]


def test_show_writes_a_page_with_a_map_that_needs_nothing_else(home, tmp_path):
    page = tmp_path / "countries.html"
    answer = geoingest("show", "countries", "--home", home, "--html", page)
    assert (answer.code, answer.stdout) == (0, f"{page}\n")
    content = page.read_text(encoding="utf-8")
    found = References()
    found.feed(content)
    assert found.outside == []
    assert not re.search(r"@import|url\(\s*['\"]?(?!#|data:)", content)
    assert found.paths > 0
    # The title is text, never markup.
    assert "b" not in found.tags
    assert "Second &lt;b&gt;" in content


def test_doctor_is_content_with_this_installation(tmp_path):
    answer = geoingest_process("doctor", "--home", tmp_path / "home", "--json")
    found = {item["check"]: item["outcome"] for item in answer.document["items"]}
    assert (answer.code, answer.document["status"]) == (0, "ok"), answer.document
    assert {"GDAL", "GEOS", "PROJ", "ledger", "PostGIS", "driver GPKG", "driver OpenFileGDB"} <= found.keys()
    assert "fail" not in found.values()


def test_doctor_fails_and_says_how_to_mend_when_the_home_is_no_folder(tmp_path):
    (tmp_path / "home").write_text("a file")
    answer = geoingest_process("doctor", "--home", tmp_path / "home" / "in", "--json")
    assert answer.code == 1, answer
    failed = [item for item in answer.document["items"] if item["outcome"] == "fail"]
    assert {item["check"] for item in failed} >= {"folder landing-zone", "folder data-lake", "ledger"}
    assert all(item["mend"] for item in failed)
    assert "Traceback" not in answer.stderr
    words = geoingest_process("doctor", "--home", tmp_path / "home" / "in")
    assert words.code == 1
    assert "to mend:" in words.stdout


def test_a_home_that_cannot_be_used_is_said_in_words(tmp_path):
    (tmp_path / "home").write_text("a file")
    for arguments in (
        ("run", COUNTRIES / "countries.geojson"),
        ("catalog", "assets"),
        ("show", "x"),
        ("janitor",),
    ):
        answer = geoingest(*arguments, "--home", tmp_path / "home" / "in", "--json")
        assert (answer.code, answer.error["code"]) == (2, "LEDGER_UNAVAILABLE"), answer
        assert "Traceback" not in answer.stderr


def test_the_janitor_finds_nothing_where_all_is_well(home):
    assert geoingest("janitor", "--home", home, "--json").document == {"ended": [], "cleaned": []}
    words = geoingest("janitor", "--home", home)
    assert (words.code, words.stdout) == (0, "0 abandoned runs ended, 0 runs cleaned up after\n")


def test_a_new_home_lists_nothing_and_says_so(tmp_path):
    answer = geoingest("catalog", "assets", "--home", tmp_path / "new")
    assert (answer.code, answer.stdout) == (0, "nothing yet\n")
    shutil.rmtree(tmp_path / "new")
