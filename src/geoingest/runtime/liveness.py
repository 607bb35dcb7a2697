"""Whether anybody still works on a run of a local home.

`geoingest run` holds a lock file while its run goes on; the kernel lets go of it when the process dies,
however it dies. A run without a lock file belongs to function servers: there only silence tells.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from geoingest.model.run import Run
from geoingest.settings import Settings

# Well above any lease and delivery back-off: a run that wrote nothing for so long is lost.
SILENCE = timedelta(minutes=15)


@contextmanager
def hold_run(settings: Settings, run_id: str) -> Iterator[None]:
    """Show the run as alive for as long as the block, or this process, lasts."""
    path = _lock_path(settings, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_alive(settings: Settings, run: Run) -> bool:
    """Whether a process holds the run's lock; without a lock file, whether the run was touched lately."""
    try:
        with _lock_path(settings, run.run_id).open("r") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
    except FileNotFoundError:
        return datetime.now(UTC) - run.updated_at < SILENCE


def known_locks(settings: Settings) -> list[str]:
    """The ids of the runs that have a lock file, held or not."""
    return [path.name for path in _lock_path(settings, "any").parent.glob("*")]


def forget_run(settings: Settings, run_id: str) -> None:
    """Remove what a dead process left of its lock; the lock of a live one stays."""
    path = _lock_path(settings, run_id)
    with suppress(FileNotFoundError, BlockingIOError), path.open("r") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    # Between being made and being locked the file looks dead, and a janitor may remove it: then once more.
    while True:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_at(path, lock.fileno()):
                yield
                return


def _is_at(path: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    return False


def _lock_path(settings: Settings, run_id: str) -> Path:
    return settings.ledger / "live" / run_id
