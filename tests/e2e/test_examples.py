"""Every example runs as it is, and its two manifests say the same thing."""

import json
import shutil
from pathlib import Path

import geopandas as gpd
import pytest
from click.testing import CliRunner

from geoingest.cli import group

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(path.parent.name for path in EXAMPLES.glob("*/manifest.json"))
DATA = {"countries": "countries.geojson", "cities": "cities.zip"}


@pytest.fixture
def run(tmp_path):
    """A function that runs a command line in one home and gives the object it prints."""

    def invoke(*arguments):
        result = CliRunner().invoke(group, [*map(str, arguments), "--home", str(tmp_path), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout.splitlines()[-1])

    return invoke


def test_every_example_is_known_here():
    assert sorted(DATA) == FOLDERS


@pytest.mark.parametrize("name", FOLDERS)
def test_the_manifest_and_the_resource_give_the_same_file(run, tmp_path, name):
    landing = tmp_path / "landing-zone" / name
    landing.mkdir(parents=True)
    shutil.copy(EXAMPLES / name / DATA[name], landing)

    first, second = (run("run", EXAMPLES / name / file) for file in ("manifest.json", "ingest.yaml"))

    assert [(report["dataset_id"], report["version"]) for report in (first, second)] == [(name, 1), (name, 2)]
    assert first["content_hash"] == second["content_hash"]


@pytest.mark.parametrize("name", FOLDERS)
def test_an_example_keeps_every_feature_and_value(run, name):
    report = run("run", EXAMPLES / name / DATA[name], "--dataset-id", name)

    made = gpd.read_parquet(report["path"]).sort_values("name", ignore_index=True)
    given = gpd.read_file(EXAMPLES / name / DATA[name]).sort_values("name", ignore_index=True)
    assert made["geom"].normalize().geom_equals(given.geometry.normalize()).all()
    for column in given.columns.drop("geometry"):
        assert made[column].tolist() == given[column].tolist()


def test_the_page_of_an_example_shows_its_map(run, tmp_path):
    run("run", EXAMPLES / "countries" / DATA["countries"], "--dataset-id", "countries", "--title", "Länder")
    page = tmp_path / "countries.html"
    shown = CliRunner().invoke(group, ["show", "countries", "--home", str(tmp_path), "--html", str(page)])
    assert shown.exit_code == 0, shown.output
    text = page.read_text("utf-8")
    assert "<h1>Länder</h1>" in text
    assert "177 features drawn" in text
