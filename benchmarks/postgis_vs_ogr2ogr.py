"""What does the PostGIS engine save over the same work with ogr2ogr and one table a step? Whole processes, best of three each.

Both read the GeoPackage, reproject and simplify in the same server, and write a file. geoingest checks validity, hashes,
sorts, and keeps a ledger besides.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from footprints import make_footprints
from processes import run_measured

# The tests' server: one place that knows how to start one.
sys.path.append(str(Path(__file__).parents[1] / "tests"))
from postgres import MissingError, RunningServer, running_server

ROUNDS = 3
QUESTION = "PostGIS engine against ogr2ogr and one table a step (goal: at most 0.45)"
HEADER = ("rows", "ogr2ogr", "geoingest", "ratio")
TOLERANCE_DEGREES = 1e-6
STEPS = (
    "CREATE TABLE placed AS SELECT id, height, levels, name, kind, surveyed, ST_Transform(geom, 4326) AS geom"
    " FROM footprints",
    "CREATE TABLE simplified AS SELECT id, height, levels, name, kind, surveyed,"
    f" ST_SimplifyPreserveTopology(geom, {TOLERANCE_DEGREES}) AS geom FROM placed",
    "CREATE INDEX ON simplified USING gist (geom)",
)
LOADING = ("-lco", "GEOMETRY_NAME=geom", "-lco", "SPATIAL_INDEX=NONE")
INGEST = {
    "apiVersion": "geoingest.dev/v1alpha1",
    "kind": "DatasetIngest",
    "metadata": {"name": "footprints"},
    "spec": {
        "batchId": "benchmark",
        "uploader": "benchmark",
        "intent": "ingest_vector",
        "engine": "postgis",
        "recipe": {"simplify": {"tolerance": TOLERANCE_DEGREES, "unit": "target"}},
        "files": [{"path": "s3://landing-zone/footprints.gpkg", "type": "vector", "format": "GPKG"}],
        "metadata": dict.fromkeys(("title", "description", "source", "license", "attribution"), ""),
    },
}


def measure(options: argparse.Namespace) -> tuple[str, ...]:
    """One row of the table under `HEADER`."""
    rows: int = options.rows
    if shutil.which("ogr2ogr") is None:
        return (f"{rows:,}", "not here: scripts/install-services bench", "", "")
    source = make_footprints(rows)
    try:
        with running_server() as server:
            rounds = [(run_ogr2ogr(server, source), run_geoingest(server, source, rows)) for _ in range(ROUNDS)]
    except MissingError as missing:
        return (f"{rows:,}", str(missing), "", "")
    ogr2ogr, geoingest = (min(seconds) for seconds in zip(*rounds, strict=True))
    return (f"{rows:,}", f"{ogr2ogr:.2f} s", f"{geoingest:.2f} s", f"{geoingest / ogr2ogr:.2f}")


def run_ogr2ogr(server: RunningServer, source: Path) -> float:
    """Seconds to load, one table a step, an index, and out to a FlatGeobuf, which is sorted and indexed."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        database = f"PG:{server.superuser}"
        ogr2ogr("-f", "PostgreSQL", database, source, "-nln", "footprints", *LOADING, "-overwrite")
        statements = ["DROP TABLE IF EXISTS placed, simplified", *STEPS]
        flags = [part for statement in statements for part in ("--command", statement)]
        run_measured(["psql", "--quiet", "--no-psqlrc", "--dbname", server.superuser, *flags])
        ogr2ogr("-f", "FlatGeobuf", Path(folder) / "out.fgb", database, "simplified")
    return time.perf_counter() - started


def ogr2ogr(*arguments: str | Path) -> None:
    run_measured(["ogr2ogr", *arguments])


def run_geoingest(server: RunningServer, source: Path, rows: int) -> float:
    """Seconds of `geoingest run` with that server and the same steps. Raises: SystemExit when it fails."""
    with tempfile.TemporaryDirectory() as home:
        landing = Path(home) / "landing-zone"
        landing.mkdir()
        shutil.copyfile(source, landing / "footprints.gpkg")
        manifest = Path(home) / "ingest.json"
        manifest.write_text(json.dumps(INGEST))
        os.environ["GEOINGEST_POSTGIS_DSN"] = server.dsn
        command = Path(sys.executable).with_name("geoingest")
        measured = run_measured([command, "run", manifest, "--home", home, "--json"])
        result = json.loads(measured.stdout.splitlines()[-1])
    if (result["status"], result["rows"]) != ("success", rows):
        sys.exit(f"geoingest did not ingest {rows} rows: {result}")
    return measured.seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    """None besides `--rows`, which the other benchmark has."""


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=300_000)
    print(dict(zip(HEADER, measure(asked.parse_args()), strict=True)))
