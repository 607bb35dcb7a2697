"""What does geoingest cost over a straight script? Whole processes, taking turns, the best of three each."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from footprints import make_footprints
from processes import Measured, run_measured

ROUNDS = 3
QUESTION = "vector against a straight script"
HEADER = ("rows", "script", "geoingest", "ratio", "script peak", "geoingest peak")


def measure(options: argparse.Namespace) -> tuple[str, ...]:
    """One row of the table under `HEADER`."""
    rows: int = options.rows
    source = make_footprints(rows)
    rounds = [(run_script(source), run_geoingest(source, rows)) for _ in range(ROUNDS)]
    script, geoingest = (min(runs, key=lambda run: run.seconds) for runs in zip(*rounds, strict=True))
    return (
        f"{rows:,}",
        f"{script.seconds:.2f} s",
        f"{geoingest.seconds:.2f} s",
        f"{geoingest.seconds / script.seconds:.2f}",
        f"{script.peak_bytes / 2**20:,.0f} MiB",
        f"{geoingest.peak_bytes / 2**20:,.0f} MiB",
    )


def run_script(source: Path) -> Measured:
    """The straight script on the source."""
    script = Path(__file__).with_name("straight_script.py")
    with tempfile.TemporaryDirectory() as folder:
        return run_measured([sys.executable, script, source, Path(folder) / "out.parquet"])


def run_geoingest(source: Path, rows: int) -> Measured:
    """`geoingest run` on the source, in a fresh home. Raises: SystemExit when the result is not what was asked for."""
    with tempfile.TemporaryDirectory() as home:
        command = Path(sys.executable).with_name("geoingest")
        measured = run_measured([command, "run", source, "--home", home, "--json"])
        result = json.loads(measured.stdout.splitlines()[-1])
    if (result["status"], result["rows"]) != ("success", rows):
        sys.exit(f"geoingest did not ingest {rows} rows: {result}")
    return measured


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--rows", type=int, default=300_000, help="footprints to ingest (default %(default)s)"
    )
