"""What a stage is to the runtime: a name and one function per lane; and what such a function gets and gives.

A lane's function is named by text and imported when its first event arrives, so that a function that
serves one lane never loads the libraries of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from geoingest import __version__
from geoingest.engines import open_space
from geoingest.engines.port import Space
from geoingest.events import Summary
from geoingest.model.run import Run
from geoingest.stores.ledger.documents import Document, Documents
from geoingest.stores.objects.port import ObjectStore

# Rows done so far and, when known, rows in all.
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One stage of one run to be done.

    `work_dir` is empty, private to this try, and removed afterwards. `scratch` is the run's transient space,
    shared by its stages. `on_rows` reports progress and raises when the run was canceled or the claim was
    lost: call it at least every few seconds, between effects.
    """

    run: Run
    objects: ObjectStore
    documents: Documents
    landing_bucket: str
    lake_bucket: str
    scratch: Path
    work_dir: Path
    threads: int
    on_rows: Progress
    postgis_dsn: str | None = field(default=None, repr=False)

    def space(self) -> Space:
        """The run's transient space, in the engine that its plan names."""
        return open_space(
            engine=self.run.engine,
            run_id=self.run.run_id,
            dsn=self.postgis_dsn,
            scratch=self.scratch,
            work_dir=self.work_dir,
            threads=self.threads,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What a stage leaves in the run document.

    `facts` is for the next stages (small: no data). `summary` goes into the event for observers, scalars only.
    `commit` belongs to the transaction that ends the stage; it returns further values for the run document.
    """

    facts: dict[str, Any]
    summary: Summary = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    commit: Callable[[Documents, datetime], Document] | None = None


def library_versions(*names: str) -> dict[str, str]:
    """The versions of what can change a stage's result for the same input, geoingest itself among them."""
    return {"geoingest": __version__} | {name: version(name) for name in names}


LaneFunction = Callable[[Task], StageResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage and its lanes, `lane -> "module:function"`."""

    name: str
    lanes: Mapping[str, str]

    def lane_function(self, lane: str) -> LaneFunction:
        """The function that does this stage for `lane`. Raises: KeyError: the lane is not one of this stage's."""
        module, _, name = self.lanes[lane].partition(":")
        function: LaneFunction = getattr(import_module(module), name)
        return function
