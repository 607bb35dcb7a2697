"""Hilbert curve keys of points: near keys are near places, so rows sorted by key make compact row groups.

Owns the curve. What is sorted by its keys, and how, is `spatial_order`'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geoingest.formats.geo_metadata import Box

BITS: Final = 16
"""Bits per axis: 65,536 by 65,536 cells fill a 32-bit key, as in DuckDB's `ST_Hilbert` and FlatGeobuf."""
FULL_TURN_DEG: Final = 360.0


def cell_keys(column: NDArray[np.uint32], row: NDArray[np.uint32], *, bits: int = BITS) -> NDArray[np.uint32]:
    """Distance along the Hilbert curve of every cell of a grid of 2**bits by 2**bits; row 0 is in the south.

    From the top bit down, the four quadrants are walked in the order of a curve that is mirrored on its
    diagonal (`swap`) and turned around (`flip`) as the quadrants above asked for.
    Source: Wikipedia, "Hilbert curve", `xy2d`; the turns are kept as two bits instead of moving the point.
    """
    key = np.zeros_like(column)
    swap, flip = np.zeros_like(column), np.zeros_like(column)
    for bit in range(bits - 1, -1, -1):
        east, north = (column >> bit) & 1, (row >> bit) & 1
        turn = ((east ^ north) & swap) ^ flip
        east, north = east ^ turn, north ^ turn
        key <<= 2
        key |= (3 * east) ^ north
        south = north ^ 1
        flip ^= east & south
        swap ^= south
    return key


def key_cells(key: NDArray[np.uint32], *, bits: int = BITS) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Column and row of the cell at a distance along the curve: the inverse of `cell_keys`."""
    column, row = np.zeros_like(key), np.zeros_like(key)
    swap, flip = np.zeros_like(key), np.zeros_like(key)
    for bit in range(bits - 1, -1, -1):
        quadrant = key >> (2 * bit)
        east = (quadrant >> 1) & 1
        north = (quadrant ^ east) & 1
        turn = ((east ^ north) & swap) ^ flip
        column |= (east ^ turn) << bit
        row |= (north ^ turn) << bit
        south = north ^ 1
        flip ^= east & south
        swap ^= south
    return column, row


def point_keys(x: NDArray[np.float64], y: NDArray[np.float64], bounds: Box) -> NDArray[np.uint32]:
    """Hilbert keys of points on a grid laid over `bounds`; points outside count as on its edge.

    Args: x, y: must be numbers. bounds: west > east means across the antimeridian, in degrees.
    """
    west, south, east, north = bounds
    if west > east:
        x = np.where(x < west, x + FULL_TURN_DEG, x)
        east += FULL_TURN_DEG
    return cell_keys(_cells(x, west, east), _cells(y, south, north))


def _cells(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint32]:
    cells = 1 << BITS
    scale = cells / (high - low) if high > low else 0.0
    return np.clip((values - low) * scale, 0, cells - 1).astype(np.uint32)
