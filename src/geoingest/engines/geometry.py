"""A recipe's steps over one chunk of geometries: curves, reprojection, ring order, repair, simplification.

Works on ISO WKB so that Z and M survive; shapely sees the geometries only to judge and mend them.
Pure functions of a chunk: safe in threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import shapely

from geoingest.engines.port import StepEffect
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
    `transform` null: they are in the target CRS already. `changed`: rows changed, by step name.
    """

    source: pa.Array
    column: pa.Array
    crs: str
    transform: Transform | None
    name: str
    rows: NDArray[np.int64]
    changed: dict[str, int] = field(default_factory=dict)
    repaired: Repaired | None = None

    def walk(self) -> wkb.Walk:
        """The coordinates of the geometries as they are now."""
        return wkb.walk(self.column)


def apply_steps(chunk: Chunk, steps: Sequence[Step]) -> Chunk:
    """The chunk after all steps, in order. Raises: a PermanentError that names the source and the row."""
    chunk.column = wkb.normalise(chunk.column)
    for step in steps:
        chunk.changed[step.name] = _APPLY[type(step)](chunk, step)
    chunk.column, _ = wkb.orient(chunk.column, chunk.walk())
    return chunk


def _linearise(chunk: Chunk, step: Linearise) -> int:
    walk = chunk.walk()
    if wkb.is_linear(walk.types):
        return 0
    chunk.column, changed = wkb.linearise(chunk.column, walk, step.max_angle_degrees)
    return changed


def _promote(chunk: Chunk, step: PromoteMulti) -> int:  # noqa: ARG001  the step has no parameters
    chunk.column, changed = wkb.promote(chunk.column)
    return changed


def _reproject(chunk: Chunk, step: Reproject) -> int:  # noqa: ARG001  the transform was made from it
    if chunk.transform is None:
        return 0
    walk = chunk.walk()
    chunk.column = wkb.map_xy(chunk.column, walk, chunk.transform)
    _require_finite(chunk)
    return int(np.count_nonzero(walk.types))


def _require_finite(chunk: Chunk) -> None:
    """Raises: CoordinatesUnprojectableError: a coordinate has no image in the target CRS."""
    boxes = wkb.bounds(chunk.walk())
    lost = np.flatnonzero(np.isinf(boxes).any(axis=1))
    if lost.size:
        raise CoordinatesUnprojectableError(source=chunk.name, row=int(chunk.rows[lost[0]]))


def _repair(chunk: Chunk, step: Repair) -> int:
    values = chunk.column.to_numpy(zero_copy_only=False)
    shapes = shapely.from_wkb(values)
    invalid = np.flatnonzero(~shapely.is_valid(shapes) & ~shapely.is_missing(shapes))
    if invalid.size:
        _mend(chunk, step, shapes, invalid)
    return int(invalid.size)


def _mend(chunk: Chunk, step: Repair, shapes: Objects, invalid: NDArray[np.intp]) -> None:
    reasons = tuple(str(reason) for reason in shapely.is_valid_reason(shapes[invalid]))
    source, row = chunk.name, int(chunk.rows[invalid[0]])
    if step.policy == "reject":
        raise GeometryInvalidError(source=source, row=row, reason=reasons[0], count=int(invalid.size))
    try:
        mended = shapely.make_valid(shapes[invalid], method="structure", keep_collapsed=False)
    except shapely.GEOSException as error:
        raise GeometryUnrepairableError(source=source, row=row, reason=reasons[0]) from error
    if not shapely.is_valid(mended).all() or not np.isfinite(shapely.get_coordinates(mended)).all():
        raise GeometryUnrepairableError(source=source, row=row, reason=reasons[0])
    replaced = shapely.to_wkb(mended, flavor="iso", output_dimension=4, byte_order=1)
    chunk.column = wkb.replace_rows(chunk.column, invalid, replaced.tolist())
    chunk.repaired = Repaired(
        rows=tuple(chunk.rows[invalid].tolist()),
        reasons=reasons,
        originals=tuple(chunk.source[int(row)].as_py() for row in invalid),
    )


def _simplify(chunk: Chunk, step: Simplify) -> int:
    shapes = shapely.from_wkb(chunk.column.to_numpy(zero_copy_only=False))
    simpler = shapely.simplify(shapes, step.tolerance, preserve_topology=True)
    changed = np.flatnonzero(shapely.get_num_coordinates(simpler) != shapely.get_num_coordinates(shapes))
    if changed.size:
        replaced = shapely.to_wkb(simpler[changed], flavor="iso", output_dimension=4, byte_order=1)
        chunk.column = wkb.replace_rows(chunk.column, changed, replaced.tolist())
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
