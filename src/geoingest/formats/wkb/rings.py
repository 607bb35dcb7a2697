"""Which way polygon rings run, and turning those that run the other way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geoingest.formats.wkb.buffers import XY, strided, with_data
from geoingest.formats.wkb.coordinates import positions
from geoingest.formats.wkb.rows import EXTERIOR

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from geoingest.formats.wkb.cursors import Bytes, Ints
    from geoingest.formats.wkb.walks import Walk

_LEAST_POINTS = 3


def orient(column: pa.Array, walk: Walk) -> tuple[pa.Array, int]:
    """The column with exteriors counter-clockwise and interiors clockwise, and the number of rings reversed.

    Points move with their Z and M. The same array object comes back when every ring runs right already. Rings
    without a certain area stay. For linear columns: rings of curves are not seen, and the patches of a
    polyhedral surface would lose the side they face.
    """
    rings = np.flatnonzero((walk.role > 0) & (walk.count >= _LEAST_POINTS))
    turn = _turns(walk, rings)
    wrong = rings[np.where(walk.role[rings] == EXTERIOR, turn < 0, turn > 0)]
    if not wrong.size:
        return column, 0
    data = walk.data.copy()
    for dims in np.unique(walk.dims[wrong]).tolist():
        same = wrong[walk.dims[wrong] == dims]
        _reverse(data, walk.start[same], walk.count[same], dims)
    return with_data(column, data), wrong.size


def _turns(walk: Walk, rings: Ints) -> NDArray[np.float64]:
    """1 for counter-clockwise rings, -1 for clockwise ones, 0 where rounding alone could make the sign.

    The sign of the area by the shoelace formula, relative to the ring's first vertex so that large ones cost
    no digits. A sum of n products errs by about n times epsilon times the sum of their sizes at most.
    """
    if not rings.size:
        return np.empty(0)
    count = walk.count[rings]
    first = np.cumsum(count) - count
    points = strided(walk.data, XY)[positions(walk.start[rings], count, walk.dims[rings])]
    with np.errstate(invalid="ignore", over="ignore"):
        points -= np.repeat(points[first], count)
        # A ring's last vertex meets the next ring's first, which is the origin by now and adds nothing.
        after = np.append(points[1:], 0)
        plus, minus = points.real * after.imag, points.imag * after.real
        area = np.add.reduceat(plus - minus, first)
        size = np.add.reduceat(np.abs(plus) + np.abs(minus), first)
        certain = np.abs(area) > size * (count + 4) * np.finfo(np.float64).eps
    return np.where(certain, np.sign(area), 0)


def _reverse(data: Bytes, start: Ints, count: Ints, dims: int) -> None:
    ordinates = np.full(start.size, dims, np.uint8)
    at = positions(start, count, ordinates)
    first = np.cumsum(count) - count
    mirrored = np.repeat(2 * first + count - 1, count) - np.arange(at.size)
    points = strided(data, np.dtype(("V", 8 * dims)))
    points[at] = points[at[mirrored]]
