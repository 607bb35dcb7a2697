"""A landing file that is another one when it is read than when the run was planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.home import assert_never_run, documents
from geoingest.cli import local
from geoingest.cli.sources import DataOptions, identified, ingest_of_files
from geoingest.runtime.platform import open_platform
from geoingest.settings import read_settings
from sources import write_sample


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes() + b" ")
    other.replace(path)


def appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b" ")


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(replaced, "SOURCE_CHANGED", id="replaced"),
        pytest.param(appended, "SOURCE_CHANGED", id="written-to"),
        pytest.param(removed, "SOURCE_NOT_FOUND", id="removed"),
    ],
)
def test_a_source_that_changes_after_the_plan_fails_the_run(change, code, tmp_path):
    source = write_sample("geojson", tmp_path / "landing-zone")
    with open_platform(read_settings({}, home=tmp_path)) as platform:
        ingest = ingest_of_files(platform, (str(source),), DataOptions())
        planned = local.plan_ingest(platform, identified(ingest, name="places"))
        change(source)
        run = local.run_planned(platform, planned, watch=lambda *_: None)
    assert (run.status, run.error.code, run.error.stage) == ("failure", code, "load")
    assert "landing-zone/places.geojson" in run.error.message
    [record] = documents(tmp_path, "runs")
    assert record["error"]["code"] == code
    assert_never_run(tmp_path)
