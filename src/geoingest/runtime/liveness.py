"""Whether anybody still works on a run of a local home.

`geoingest run` holds a lock file while its run goes on; the kernel lets go of it when the process dies,
however it dies. A run without a lock file belongs to function servers: there only silence tells.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
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
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
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


def forget_run(settings: Settings, run_id: str) -> None:
    """Remove what a dead process left of its lock."""
    _lock_path(settings, run_id).unlink(missing_ok=True)


def _lock_path(settings: Settings, run_id: str) -> Path:
    return settings.ledger / "live" / run_id
