"""What does the PostGIS engine save over ogr2ogr and one table a step? Taking turns, the best of two rounds each.

Both read the GeoPackage, reproject and simplify in the same server, and write a sorted or indexed file. The engine's
time is without Python's imports: a function has made them when its first event comes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from footprints import make_footprints
from processes import run_measured

# The tests' server: one place that knows how to start one.
sys.path.append(str(Path(__file__).parents[1] / "tests"))
from postgres import MissingError, RunningServer, running_server

ROUNDS = 2
QUESTION = "PostGIS engine against ogr2ogr and one table a step"
HEADER = ("rows", "ogr2ogr, to GeoPackage", "to FlatGeobuf", "engine", "ratio", "ratio to FlatGeobuf")
TOLERANCE_DEGREES = "1e-6"
LOADING = ("-lco", "GEOMETRY_NAME=geom", "-lco", "SPATIAL_INDEX=NONE", "-overwrite")
FIELDS = "id, height, levels, name, kind, surveyed"
STEPS = (
    "DROP TABLE IF EXISTS placed, simplified",
    f"CREATE TABLE placed AS SELECT {FIELDS}, ST_Transform(geom, 4326) AS geom FROM footprints",  # noqa: S608
    (
        f"CREATE TABLE simplified AS SELECT {FIELDS},"  # noqa: S608
        f" ST_SimplifyPreserveTopology(geom, {TOLERANCE_DEGREES}) AS geom FROM placed"
    ),
    "CREATE INDEX ON simplified USING gist (geom)",
)


def measure(options: argparse.Namespace) -> tuple[str, ...]:
    """One row of the table under `HEADER`."""
    rows: int = options.rows
    if shutil.which("ogr2ogr") is None:
        return (f"{rows:,}", "ogr2ogr is not here: scripts/install-services bench", "", "", "", "")
    source = make_footprints(rows)
    try:
        with running_server() as server:
            rounds = [(*run_ogr2ogr(server, source), run_engine(server, source, rows)) for _ in range(ROUNDS)]
    except MissingError as missing:
        return (f"{rows:,}", str(missing), "", "", "", "")
    geopackage_s, flatgeobuf_s, engine_s = (min(seconds) for seconds in zip(*rounds, strict=True))
    times = (f"{seconds:.2f} s" for seconds in (geopackage_s, flatgeobuf_s, engine_s))
    return (f"{rows:,}", *times, f"{engine_s / geopackage_s:.2f}", f"{engine_s / flatgeobuf_s:.2f}")


def run_ogr2ogr(server: RunningServer, source: Path) -> tuple[float, float]:
    """Seconds to load, one table a step, an index, and out: to a GeoPackage, and to a FlatGeobuf."""
    database = f"PG:{server.superuser}"
    with tempfile.TemporaryDirectory() as folder:
        loading_s = ogr2ogr("-f", "PostgreSQL", database, source, "-nln", "footprints", *LOADING)
        commands = [part for statement in STEPS for part in ("--command", statement)]
        steps_s = run_measured(
            ["psql", "--quiet", "--no-psqlrc", "--dbname", server.superuser, *commands]
        ).seconds
        geopackage_s = ogr2ogr("-f", "GPKG", Path(folder) / "out.gpkg", database, "simplified")
        flatgeobuf_s = ogr2ogr("-f", "FlatGeobuf", Path(folder) / "out.fgb", database, "simplified")
    return loading_s + steps_s + geopackage_s, loading_s + steps_s + flatgeobuf_s


def ogr2ogr(*arguments: str | Path) -> float:
    """Seconds of one call."""
    return run_measured(["ogr2ogr", *arguments]).seconds


def run_engine(server: RunningServer, source: Path, rows: int) -> float:
    """Seconds of the engine with the same steps, into a GeoParquet. Raises: SystemExit when rows are missing."""
    script = Path(__file__).with_name("through_postgis.py")
    os.environ["GEOINGEST_POSTGIS_DSN"] = server.dsn
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.parquet"
        measured = run_measured([sys.executable, script, source, target, TOLERANCE_DEGREES])
    result = json.loads(measured.stdout)
    if result["rows"] != rows:
        sys.exit(f"{result['rows']} of {rows} rows came through the engine")
    return float(result["seconds"])


def add_options(parser: argparse.ArgumentParser) -> None:
    """None of its own: it goes by `--rows`."""
