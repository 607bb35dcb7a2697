"""The words stay light: a function's cold start is its users' waiting time."""

import subprocess
import sys

import pytest

HEAVY = {"yaml", "numpy", "pyarrow", "shapely", "pyproj", "pyogrio", "pymongo", "boto3", "urllib.request"}


@pytest.mark.parametrize(
    "module",
    ["model.ingest", "events", "recipes", "routing", "naming", "errors.manifest", "errors.delivery"],
)
def test_the_words_import_nothing_heavy(module):
    code = f"import sys, geoingest.{module}; print(*sys.modules)"
    environment = {"PYTHONPATH": ":".join(sys.path), "PYDANTIC_DISABLE_PLUGINS": "__all__"}
    loaded = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert f"geoingest.{module}" in loaded.stdout.split()
    assert set(loaded.stdout.split()) & HEAVY == set()
