"""The engine's port: a run's transient table, written by load, changed by transform, read by export.

Geometry is the column `geom`, last, as ISO WKB. Every engine gives the same rows for the same steps
within the tolerance that the contract suite states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from geoingest.recipes import Step

GEOMETRY = "geom"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """What one loaded source came to. `types`: its ISO WKB codes. `bounds`: west, south, east, north in its CRS."""

    rows: int
    types: tuple[int, ...]
    bounds: tuple[float, float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEffect:
    """One step as lineage records it: what it was told and what it changed."""

    name: str
    parameters: dict[str, Any]
    rows_changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The transformed table. `crs` is PROJJSON text; `bounds` (in it) null when no row has a geometry.

    `repaired` is a Parquet file with the originals of repaired geometries, null when none was repaired.
    """

    rows: int
    crs: str
    bounds: tuple[float, float, float, float] | None
    types: tuple[int, ...]
    effects: tuple[StepEffect, ...]
    repaired: Path | None
    repaired_rows: int


class Space(Protocol):
    """The transient space of one run."""

    def write(
        self, part: int, *, schema: pa.Schema, crs: str, batches: Iterable[pa.RecordBatch]
    ) -> PartFacts:
        """Store one source under its number, replacing an earlier try; `crs` is its PROJJSON."""

    def apply(
        self, steps: Sequence[Step], *, names: Sequence[str], on_rows: Callable[[int], None]
    ) -> Applied:
        """Apply the steps to every part, in part order; `names` are the parts' names in messages."""

    def read(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The transformed table in source order."""

    def drop(self) -> None:
        """Leave nothing; also right when there is nothing."""
