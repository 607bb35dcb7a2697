"""Engines: where a vector run's transient table lives while its recipe is applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from geoingest.engines.port import Space


def open_space(*, engine: str, scratch: Path, work_dir: Path, threads: int) -> Space:
    """The transient space of one run in the engine its plan names.

    Args: scratch: the run's folder; work_dir: private to this try.
    """
    if engine != "embedded":
        raise ValueError(f"no such engine: {engine}")
    from geoingest.engines.embedded import EmbeddedSpace

    return EmbeddedSpace(scratch=scratch, work_dir=work_dir, threads=threads)
