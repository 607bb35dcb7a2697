"""What a start loads: a person waits for `--help`, a cold function waits for its first event."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.command import ROOT, environment, geoingest_process

HEAVY = ("numpy", "pyarrow", "pydantic", "shapely", "pyproj", "pyogrio", "pandas", "rich", "yaml")
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


def loaded_by(code: str, *, cwd: Path) -> set[str]:
    """The top-level modules of a fresh process after `code`."""
    script = f"{code}\nimport sys, json; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        cwd=cwd,
        encoding="utf-8",
        # functions-framework itself warns of what it is built from.
        env=environment(PYTHONWARNINGS="default"),
        timeout=60,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments", ["--help", "--version", "run --help", "catalog --help", "janitor --help"]
)
def test_help_loads_nothing_heavy(arguments, tmp_path):
    code = f"""
from geoingest.cli import main
try:
    main({arguments.split()!r})
except SystemExit as end:
    assert not end.code
"""
    loaded = loaded_by(code, cwd=tmp_path)
    assert loaded & {"geoingest", "click"} == {"geoingest", "click"}
    assert loaded.intersection(HEAVY) == set()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_starts_without_the_libraries_of_its_lanes(name, tmp_path):
    loaded = loaded_by("import main", cwd=ROOT / "functions" / name)
    assert {"geoingest", "functions_framework"} <= loaded
    late = {
        "numpy",
        "pyarrow",
        "shapely",
        "pyproj",
        "pyogrio",
        "pandas",
        "prometheus_client",
        "opentelemetry",
    }
    assert loaded.intersection(late) == set()


def test_there_are_functions_to_test():
    assert {"load", "transform", "export"} <= set(FUNCTIONS)


def test_the_operators_modules_load_no_geospatial_library(tmp_path):
    modules = [path.stem for path in (ROOT / "operator" / "geoingest_operator").glob("[a-z]*.py")]
    loaded = loaded_by("\n".join(f"import geoingest_operator.{module}" for module in modules), cwd=tmp_path)
    assert "geoingest_operator" in loaded
    assert loaded.intersection({"numpy", "pyarrow", "shapely", "pyproj", "pyogrio"}) == set()


def test_a_mistyped_command_is_answered_with_usage_and_exit_two():
    answer = geoingest_process("rnu")
    assert (answer.code, answer.stdout) == (2, "")
    assert "No such command 'rnu'" in answer.stderr
