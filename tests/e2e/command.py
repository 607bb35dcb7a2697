"""The `geoingest` command as a user starts it, in this process or in one of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoingest.cli import main

ROOT = Path(__file__).resolve().parents[2]
# Where the code lies in a checkout; an installed geoingest would be another one than the one under test.
CODE = tuple(
    ROOT / folder
    for folder in ("src", "operator", *(f"functions/{name}" for name in ("load", "transform", "export")))
)
COMMAND = (sys.executable, "-m", "geoingest.cli")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the command left behind it: exit code and both streams."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON object that `--json` promises; nothing else may stand on stdout."""
        [line] = self.stdout.splitlines()
        document = json.loads(line)
        assert isinstance(document, dict)
        return document

    @property
    def error(self) -> dict[str, Any]:
        """What the document says went wrong."""
        error: dict[str, Any] = self.document["error"]
        return error


def environment(**more: str) -> dict[str, str]:
    """This process's environment with the checkout importable, and no setting of geoingest but `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GEOINGEST_")}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, CODE)), "PYTHONWARNINGS": "error"} | more


def geoingest(*arguments: str | Path) -> Answer:
    """The command in this process: what it prints and how it exits are the same, its start is not paid for."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            main([str(argument) for argument in arguments])
            code: object = 0
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return Answer(code=code, stdout=stdout.getvalue(), stderr=stderr.getvalue())


def geoingest_process(*arguments: str | Path, cwd: Path | None = None, **more: str) -> Answer:
    """The command in a process of its own, to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        check=False,
        cwd=cwd,
        encoding="utf-8",
        env=environment(**more),
        timeout=120,
    )
    return Answer(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def start(*arguments: str | Path, **more: str) -> subprocess.Popen[str]:
    """The command in a process of its own, still going on."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(**more),
    )


def run(home: Path, *arguments: str | Path) -> Answer:
    """`geoingest run ARGUMENTS --home HOME --json` in this process."""
    return geoingest("run", *arguments, "--home", home, "--json")


def ingested(home: Path, *arguments: str | Path) -> dict[str, Any]:
    """The document of a run that must succeed."""
    answer = run(home, *arguments)
    assert answer.code == 0, answer.stdout + answer.stderr
    return answer.document


def catalogue(home: Path, what: str, *ids: str) -> list[dict[str, Any]]:
    """The items of `geoingest catalog WHAT [ID] --json`."""
    answer = geoingest("catalog", what, *ids, "--home", home, "--json")
    assert answer.code == 0, answer.stderr
    assert answer.document.keys() == {"items"}
    items: list[dict[str, Any]] = answer.document["items"]
    return items
