"""`geoingest dev` as a process of its own, watched by what it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e.command import COMMAND, environment

Move = dict[str, Any]
PATIENCE_S = 90


class Dev:
    """A running `geoingest dev --json`; `moves` are the changes that it told so far."""

    def __init__(self, home: Path, *arguments: str, lease_s: float = 2.0) -> None:
        self.moves: list[Move] = []
        self.process = subprocess.Popen(
            [*COMMAND, "dev", "--home", home, "--json", "--poll", "0.2", "--backoff", "0.2", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=environment(PYTHONWARNINGS="default", GEOINGEST_LEASE_S=f"{lease_s:g}"),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.moves.append(json.loads(line))

    def told(self, change: str) -> list[Move]:
        return [move for move in self.moves if move["change"] == change]

    @property
    def pids(self) -> dict[str, int]:
        """Stage to process id, as last told."""
        pids: dict[str, int] = [move["pids"] for move in list(self.moves) if "pids" in move][-1]
        return pids

    def wait_until(self, holds: Callable[[], object]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < until, self.moves
            assert self.process.poll() is None, (self.process.returncode, self.moves)
            time.sleep(0.01)

    def ended(self) -> int:
        """The exit code of a process that ends by itself, all that it told being read."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(10)
        return code

    def close(self) -> None:
        self.ended()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.ended()


@contextmanager
def dev(home: Path, *arguments: str, lease_s: float = 2.0) -> Iterator[Dev]:
    """The process inside the block, ready; afterwards it has ended, and its servers with it."""
    running = Dev(home, *arguments, lease_s=lease_s)
    try:
        running.wait_until(lambda: running.told("ready"))
        yield running
        if running.process.poll() is None:
            running.interrupt()
    finally:
        running.process.kill()
        running.close()
    wait_gone(running.pids)


def wait_gone(pids: dict[str, int]) -> None:
    until = time.monotonic() + 10
    while any(is_running(pid) for pid in pids.values()):
        assert time.monotonic() < until, pids
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # One that ended and whose parent is gone may wait for the system to notice.
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def drop(home: Path, name: str, content: bytes | Move) -> None:
    """A manifest in the landing folder, as a careful uploader brings it: whole at once."""
    folder = home / "landing-zone" / "manifests"
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}"
    partial.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    partial.replace(folder / name)


def asking(dataset_id: str, key: str, **more: object) -> Move:
    """A manifest for the object at `key` in the landing bucket."""
    blank = dict.fromkeys(("description", "source", "license", "attribution"), "")
    return {
        "batch_id": "b",
        "uploader": "ada",
        "intent": "ingest_vector",
        "files": [{"path": f"s3://landing-zone/{key}", "type": "vector", "format": "GPKG"} | more],
        "metadata": {"title": dataset_id, **blank, "tags": {"dataset_id": dataset_id}},
    }
