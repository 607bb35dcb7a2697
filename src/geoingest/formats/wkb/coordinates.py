"""All coordinates of a walked column at once: read, bounded, replaced. Z and M are never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geoingest.formats.wkb.buffers import XY, strided, with_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import pyarrow as pa
    from numpy.typing import NDArray

    from geoingest.formats.wkb.cursors import Bytes, Ints
    from geoingest.formats.wkb.walks import Walk

    Floats: TypeAlias = NDArray[np.float64]


def vertices(walk: Walk) -> int:
    """Points in all rows; empty points count as none."""
    return int(walk.count.sum())


def xy(walk: Walk) -> tuple[Floats, Floats]:
    """All vertices' x and y in the order of the bytes, copied; NaN where the file says NaN."""
    points = strided(walk.data, XY)[positions(walk.start, walk.count, walk.dims)]
    return points.real, points.imag


def bounds(walk: Walk) -> Floats:
    """West, south, east, north per row, shape (rows, 4), over all coordinates that are numbers.

    NaN for null and empty rows. Holes count too, so an invalid polygon's box may exceed that of its shell.
    """
    boxes = np.full((walk.rows, 4), np.nan)
    points = np.bincount(walk.row, walk.count, minlength=walk.rows).astype(np.int64)
    filled = np.flatnonzero(points)
    if filled.size:
        first = np.cumsum(points)[filled] - points[filled]
        x, y = xy(walk)
        for side, (values, extreme) in enumerate(((x, np.fmin), (y, np.fmin), (x, np.fmax), (y, np.fmax))):
            boxes[filled, side] = extreme.reduceat(values, first)
    return boxes


def map_xy(
    column: pa.Array, walk: Walk, function: Callable[[Floats, Floats], tuple[Floats, Floats]]
) -> pa.Array:
    """The column with x and y of every vertex replaced by `function(x, y)`, called once for the whole batch.

    Args:
        column: what was walked.
        walk: of that very column.
        function: takes and returns two float64 arrays of the same length. Never sees a vertex with NaN in it:
            those, and so empty points, stay as they are.
    """
    at = positions(walk.start, walk.count, walk.dims)
    points = strided(walk.data, XY)[at]
    number = ~np.isnan(points)
    if not number.all():
        at, points = at[number], points[number]
    if not at.size:
        return column
    x, y = function(np.ascontiguousarray(points.real), np.ascontiguousarray(points.imag))
    points.real, points.imag = x, y
    data = walk.data.copy()
    strided(data, XY)[at] = points
    return with_data(column, data)


def positions(start: Ints, count: Ints, dims: Bytes) -> Ints:
    """The first byte of every vertex of these sequences."""
    stride = dims.astype(np.int64) * 8
    before = np.cumsum(count) - count
    at = np.arange(count.sum(), dtype=np.int64)
    at *= stride[0] if stride.size and (stride == stride[0]).all() else np.repeat(stride, count)
    at += np.repeat(start - before * stride, count)
    return at
