"""A recipe's steps over one chunk of geometries: curves, reprojection, ring order, repair, simplification.

Works on ISO WKB so that Z and M survive; shapely sees the geometries only to judge and mend them.
Pure functions of a chunk: safe in threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from geoingest.engines.port import StepEffect
from geoingest.engines.tally import Tally
from geoingest.errors.geometry import (
    CoordinatesUnprojectableError,
    GeometryInvalidError,
    GeometryUnrepairableError,
)
from geoingest.formats import wkb
from geoingest.recipes import Linearise, PromoteMulti, Repair, Reproject, Simplify, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geoingest.engines.reproject import Transform

    Objects = NDArray[np.object_]


# What stands for a reason where GEOS does not get as far as judging.
MALFORMED = "a ring is not closed, or a ring or line has too few points"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """Invalid rows of a chunk: their positions, why they were invalid, and the bytes as they were read."""

    rows: tuple[int, ...]
    reasons: tuple[str, ...]
    originals: tuple[bytes, ...]


@dataclass(slots=True, kw_only=True)
class Chunk:
    """Geometries on their way through the steps, and what the steps did to them.

    `source` is the column as read, in `crs` (PROJJSON); `rows` are the rows' numbers in the source `name`.
    `transform` null: they are in the target CRS already. `changed`: rows changed, by step name. `tally` counts
    what came out of the last step.
    """

    source: pa.Array
    column: pa.Array
    crs: str
    transform: Transform | None
    name: str
    rows: NDArray[np.int64]
    changed: dict[str, int] = field(default_factory=dict)
    repaired: Repaired | None = None
    tally: Tally = field(default_factory=Tally)
    _walk: wkb.Walk | None = None

    def walk(self) -> wkb.Walk:
        """The coordinates of the geometries as they are now; walked once for each layout of their bytes."""
        if self._walk is None:
            self._walk = wkb.walk(self.column)
        return self._walk

    def replace(self, column: pa.Array) -> None:
        """Go on with other geometries."""
        if column is not self.column:
            self.column, self._walk = column, None

    def move(self, column: pa.Array) -> None:
        """Go on with the same geometries at other coordinates."""
        self._walk = wkb.moved(self.walk(), column)
        self.column = column


def apply_steps(chunk: Chunk, steps: Sequence[Step]) -> Chunk:
    """The chunk after all steps, in order. Raises: a PermanentError that names the source and the row."""
    chunk.replace(wkb.normalise(chunk.column))
    for step in steps:
        chunk.changed[step.name] = _APPLY[type(step)](chunk, step)
    oriented, _ = wkb.orient(chunk.column, chunk.walk())
    chunk.move(oriented)
    chunk.tally.add(chunk.walk())
    return chunk


def _linearise(chunk: Chunk, step: Linearise) -> int:
    walk = chunk.walk()
    if wkb.is_linear(walk.types):
        return 0
    linear, changed = wkb.linearise(chunk.column, walk, step.max_angle_degrees)
    chunk.replace(linear)
    return changed


def _promote(chunk: Chunk, step: PromoteMulti) -> int:  # noqa: ARG001  the step has no parameters
    promoted, changed = wkb.promote(chunk.column, chunk.walk())
    chunk.replace(promoted)
    return changed


def _reproject(chunk: Chunk, step: Reproject) -> int:  # noqa: ARG001  the transform was made from it
    if chunk.transform is None:
        return 0
    walk = chunk.walk()
    chunk.move(wkb.map_xy(chunk.column, walk, chunk.transform))
    _require_finite(chunk)
    return int(np.count_nonzero(walk.types))


def _require_finite(chunk: Chunk) -> None:
    """Raises: CoordinatesUnprojectableError: a coordinate has no image in the target CRS."""
    boxes = wkb.bounds(chunk.walk())
    lost = np.flatnonzero(np.isinf(boxes).any(axis=1))
    if lost.size:
        raise CoordinatesUnprojectableError(source=chunk.name, row=int(chunk.rows[lost[0]]))


def _repair(chunk: Chunk, step: Repair) -> int:
    shapes, malformed = _shapes(chunk.column)
    invalid = np.flatnonzero(malformed | (~shapely.is_valid(shapes) & ~shapely.is_missing(shapes)))
    if invalid.size:
        _mend(chunk, step, shapes[invalid], malformed[invalid], invalid)
    return int(invalid.size)


def _shapes(column: pa.Array) -> tuple[Objects, NDArray[np.bool_]]:
    """The geometries, and which of them GEOS takes for none at all: open rings come closed, the rest missing."""
    values = column.to_numpy(zero_copy_only=False)
    shapes = shapely.from_wkb(values, on_invalid="ignore")
    malformed = shapely.is_missing(shapes) & column.is_valid().to_numpy(zero_copy_only=False)
    if malformed.any():
        shapes[malformed] = shapely.from_wkb(values[malformed], on_invalid="fix")
    return shapes, malformed


def _mend(
    chunk: Chunk, step: Repair, shapes: Objects, malformed: NDArray[np.bool_], rows: NDArray[np.intp]
) -> None:
    """Put valid geometries at `rows`, where `shapes` stand; `malformed` marks those that GEOS refused at first."""
    told = shapely.is_valid_reason(shapes)
    reasons = [MALFORMED if bad else str(reason) for bad, reason in zip(malformed, told, strict=True)]
    if step.policy == "reject":
        first = int(chunk.rows[rows[0]])
        raise GeometryInvalidError(source=chunk.name, row=first, reason=reasons[0], count=len(rows))
    mended = _made_valid(shapes)
    lost = np.flatnonzero(shapely.is_missing(mended))
    if lost.size:
        row = int(chunk.rows[rows[lost[0]]])
        raise GeometryUnrepairableError(source=chunk.name, row=row, reason=reasons[lost[0]])
    replaced = shapely.to_wkb(mended, flavor="iso", output_dimension=4, byte_order=1)
    chunk.replace(wkb.replace_rows(chunk.column, rows, replaced.tolist()))
    chunk.repaired = Repaired(
        rows=tuple(chunk.rows[rows].tolist()),
        reasons=tuple(reasons),
        originals=tuple(chunk.source[int(row)].as_py() for row in rows),
    )


def _made_valid(shapes: Objects) -> Objects:
    """The geometries made valid; missing where that cannot be."""
    mended = np.empty_like(shapes)
    for number, shape in enumerate(shapes):
        # One by one: a failure must not be told of another row.
        with suppress(shapely.GEOSException):
            made = shapely.make_valid(shape, method="structure", keep_collapsed=False)
            if shapely.is_valid(made) and np.isfinite(shapely.get_coordinates(made)).all():
                mended[number] = made
    return mended


def _simplify(chunk: Chunk, step: Simplify) -> int:
    shapes = shapely.from_wkb(chunk.column.to_numpy(zero_copy_only=False))
    simpler = shapely.simplify(shapes, step.tolerance, preserve_topology=True)
    changed = np.flatnonzero(shapely.get_num_coordinates(simpler) != shapely.get_num_coordinates(shapes))
    if changed.size:
        replaced = shapely.to_wkb(simpler[changed], flavor="iso", output_dimension=4, byte_order=1)
        chunk.replace(wkb.replace_rows(chunk.column, changed, replaced.tolist()))
    return int(changed.size)


_APPLY: Mapping[type[Step], Callable[..., int]] = {
    Linearise: _linearise,
    PromoteMulti: _promote,
    Reproject: _reproject,
    Repair: _repair,
    Simplify: _simplify,
}


class Changes:
    """Rows changed by each step, summed over the chunks of a table."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._rows = dict.fromkeys((step.name for step in steps), 0)

    def add(self, changed: Mapping[str, int]) -> None:
        """Count rows that the steps changed, by step name."""
        for name, rows in changed.items():
            self._rows[name] += rows

    def effects(self) -> tuple[StepEffect, ...]:
        """The steps in order, each with its parameters and the rows it changed."""
        return tuple(
            StepEffect(name=step.name, parameters=step.parameters(), rows_changed=self._rows[step.name])
            for step in self._steps
        )
