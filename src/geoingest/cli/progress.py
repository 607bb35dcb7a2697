"""Progress on a terminal: stage, rows, rate, on stderr; nothing at all in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from geoingest.cli.local import Watcher


def _silent(stage: str, done: int, total: int | None) -> None:
    """Nobody looks."""


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Watcher]:
    """A watcher that draws one line a stage; a silent one when `quiet`."""
    if quiet:
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:>12,.0f} rows  {task.fields[rate]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _drawing(progress)


def _drawing(progress: Progress) -> Watcher:
    tasks: dict[str, tuple[TaskID, float]] = {}

    def watch(stage: str, done: int, total: int | None) -> None:
        if stage not in tasks:
            for task, _ in tasks.values():
                progress.update(task, total=progress.tasks[task].completed)
            tasks[stage] = (progress.add_task(stage, total=None, rate=""), time.monotonic())
        task, started = tasks[stage]
        seconds = max(time.monotonic() - started, 1e-3)
        progress.update(task, completed=done, total=total, rate=f"{done / seconds:,.0f}/s")

    return watch
