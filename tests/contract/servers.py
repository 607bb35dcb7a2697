"""Real servers as processes of their own on 127.0.0.1, for as long as a block lasts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 60


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(
    command: list[str],
    *,
    port: int,
    log: Path,
    cwd: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """The server that `command` starts, once it listens on `port`; ended with the block, its words in `log`.

    `settings` null: none of this process's AWS and GEOINGEST variables either.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GEOINGEST_"))}
    kept |= settings or {}
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=cwd, stdout=out, stderr=out, env=kept) as process,
    ):
        try:
            _wait(process, port, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def serve_s3(folder: Path) -> Iterator[str]:
    """The endpoint of moto's server, which keeps its objects in memory."""
    port = free_port()
    command = [
        sys.executable,
        "-c",
        "from moto.server import main; main()",
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    with serve(command, port=port, log=folder / "s3.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def serve_mongo(folder: Path, *arguments: str, port: int | None = None) -> Iterator[str]:
    """The `mongodb://HOST:PORT` of a SecantusDB, a replica set of one; `folder` keeps its data."""
    port = port or free_port()
    entry = "from secantus.cli import main; main()"
    where = ["--host", "127.0.0.1", "--port", str(port), "--storage-path", str(folder / "data")]
    with serve([sys.executable, "-c", entry, *where, *arguments], port=port, log=folder / "mongo.log"):
        yield f"mongodb://127.0.0.1:{port}"


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
