"""Other people's software that judges our files: GeoParquet referees and DuckDB with its spatial extension."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp

import duckdb
import geoparquet_validator


def spatial_extension() -> Path:
    """DuckDB's spatial extension, installed as a package: nothing is downloaded."""
    [extension] = Path(str(files("duckdb_extension_spatial"))).glob("extensions/*/spatial.duckdb_extension")
    return extension


def spatial_duckdb() -> duckdb.DuckDBPyConnection:
    """An in-memory database with spatial loaded; the caller closes it."""
    connection = duckdb.connect()
    connection.execute(f"LOAD '{spatial_extension()}'")
    return connection


def validator_failures(path: Path) -> list[str]:
    """What geoparquet-validator holds against a file, as `test: message`."""
    outcomes = geoparquet_validator.check(str(path))["outcomes"]
    assert outcomes
    return [f"{found['id']}: {found['message']}" for found in outcomes if found["status"] == "fail"]


def gpio_complaints(path: Path) -> list[str]:
    """The lines of `gpio check all` that warn of or fail something."""
    run = subprocess.run(
        [sys.executable, "-c", "from geoparquet_io.cli.main import main; main()", "check", "all", str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "HOME": str(_home_with_spatial()), "PYTHONUTF8": "1", "NO_COLOR": "1"},
    )
    assert "Spec Validation" in run.stdout
    return [line.strip() for line in (run.stdout + run.stderr).splitlines() if re.search("[⚠✗❌]", line)]


@cache
def _home_with_spatial() -> Path:
    """A home folder where DuckDB finds the extension as if it had been downloaded."""
    home = Path(mkdtemp(prefix="duckdb-home-"))
    with duckdb.connect() as connection:
        (platform,) = connection.execute("PRAGMA platform").fetchone()
    extension = spatial_extension()
    folder = home / ".duckdb" / "extensions" / extension.parent.name / platform
    folder.mkdir(parents=True)
    (folder / extension.name).symlink_to(extension)
    return home
