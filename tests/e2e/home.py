"""What may be in a home folder when nobody works in it: looked at from outside, not through the code under test."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

TERMINAL = {"success", "failure", "canceled"}


def documents(home: Path, collection: str) -> list[dict[str, Any]]:
    """Every document of a collection, straight from the ledger's file."""
    with closing(sqlite3.connect(home / "ledger" / "ledger.sqlite")) as connection:
        return [json.loads(text) for (text,) in connection.execute(f'SELECT doc FROM "{collection}"')]  # noqa: S608


def sha256(path: Path) -> str:
    """The hex digest of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lake(home: Path) -> dict[str, str]:
    """Key and `sha256:` hash of every file in the lake, whatever it is called."""
    top = home / "data-lake"
    files = (path for path in top.rglob("*") if path.is_file())
    return {path.relative_to(top).as_posix(): f"sha256:{sha256(path)}" for path in files}


def recorded(home: Path) -> dict[str, str]:
    """Key and hash of every object that the ledger calls available."""
    assets = [asset for asset in documents(home, "assets") if asset["status"] == "available"]
    companions = [asset["repaired"] for asset in assets if asset["repaired"]]
    return {found["s3_key"]: found["content_hash"] for found in [*assets, *companions]}


def assert_at_rest(home: Path) -> None:
    """No run goes on, nothing transient is left, and the lake holds what the ledger says and nothing else."""
    assert [path.name for path in (home / "scratch").glob("*")] == []
    assert [path.name for path in (home / "ledger" / "live").glob("*")] == []
    assert lake(home) == recorded(home)
    assets, runs = documents(home, "assets"), documents(home, "runs")
    assert [asset for asset in assets if asset["status"] != "available"] == []
    assert {run["status"] for run in runs} <= TERMINAL
    assert [run for run in runs if (run["status"] == "success") != (run["error"] is None)] == []
    assert [run for run in runs if run["completed_at"] is None] == []
    versions = Counter((asset["dataset_id"], asset["version"]) for asset in assets)
    assert [version for version, count in versions.items() if count > 1] == []
    succeeded = {run["run_id"]: run["asset_id"] for run in runs if run["status"] == "success"}
    assert succeeded == {asset["run_id"]: asset["asset_id"] for asset in assets}


def assert_never_run(home: Path) -> None:
    """Nothing was made: no object in the lake, no asset, no scratch."""
    assert_at_rest(home)
    assert lake(home) == {}
    assert documents(home, "assets") == []
