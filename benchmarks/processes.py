"""A whole process measured from outside: wall time and peak memory of it and all its children together."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one process took; `peak_bytes` counts pages shared within the tree once."""

    seconds: float
    peak_bytes: int
    stdout: str


def run_measured(command: Sequence[str | Path]) -> Measured:
    """Runs a command to its end. Raises: CalledProcessError, with its output, when it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peaks = [0]
    sampler = threading.Thread(target=_sample, args=(process, peaks), daemon=True)
    sampler.start()
    stdout, stderr = process.communicate()
    seconds = time.perf_counter() - started
    sampler.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, stdout, stderr)
    return Measured(seconds=seconds, peak_bytes=max(peaks), stdout=stdout)


def _sample(process: subprocess.Popen[str], peaks: list[int]) -> None:
    while process.returncode is None:
        peaks.append(sum(_resident_bytes(pid) for pid in _tree(process.pid)))
        time.sleep(SAMPLE_EVERY_S)


def _tree(pid: int) -> list[int]:
    """The process and all that descend from it (Linux; elsewhere nothing can be told)."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        for thread in _listing(Path(f"/proc/{current}/task")):
            waiting += [int(child) for child in _text(thread / "children").split()]
    return found


def _resident_bytes(pid: int) -> int:
    """Proportional set size: private pages, and shared ones divided by who shares them."""
    for line in _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has ended
        return ""
