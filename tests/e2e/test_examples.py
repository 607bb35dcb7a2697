"""Every example runs as it is, and its two manifests say the same thing."""

import json
import shutil
from pathlib import Path

import geopandas as gpd
import pytest

from e2e.command import geoingest_process

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(path.parent.name for path in EXAMPLES.glob("*/manifest.json"))
DATA = {"countries": "countries.geojson", "cities": "cities.zip"}


@pytest.fixture
def run(tmp_path):
    """A function that runs a command line of its own process in one home; what it printed."""

    def call(*arguments):
        done = geoingest_process(*arguments, "--home", tmp_path)
        assert done.code == 0, done.stderr
        return done.stdout

    return call


def report(stdout):
    return json.loads(stdout.splitlines()[-1])


def test_every_example_is_known_here():
    assert sorted(DATA) == FOLDERS


@pytest.mark.parametrize("name", FOLDERS)
def test_the_manifest_and_the_resource_give_the_same_file(run, tmp_path, name):
    landing = tmp_path / "landing-zone" / name
    landing.mkdir(parents=True)
    shutil.copy(EXAMPLES / name / DATA[name], landing)

    first, second = (
        report(run("run", EXAMPLES / name / file, "--json")) for file in ("manifest.json", "ingest.yaml")
    )

    assert [(made["dataset_id"], made["version"]) for made in (first, second)] == [(name, 1), (name, 2)]
    assert first["content_hash"] == second["content_hash"]


@pytest.mark.parametrize("name", FOLDERS)
def test_an_example_keeps_every_feature_and_value(run, name):
    given = gpd.read_file(EXAMPLES / name / DATA[name]).sort_values("name", ignore_index=True)

    ran = report(run("run", EXAMPLES / name / DATA[name], "--dataset-id", name, "--json"))

    made = gpd.read_parquet(ran["path"]).sort_values("name", ignore_index=True)
    assert made["geom"].normalize().geom_equals(given.geometry.normalize()).all()
    for column in given.columns.drop("geometry"):
        assert made[column].tolist() == given[column].tolist()


def test_the_page_of_an_example_shows_its_map(run, tmp_path):
    run("run", EXAMPLES / "countries" / DATA["countries"], "--dataset-id", "countries", "--title", "Länder")
    page = tmp_path / "countries.html"
    run("show", "countries", "--html", page)
    text = page.read_text("utf-8")
    assert "<h1>Länder</h1>" in text
    assert "177 features drawn" in text
