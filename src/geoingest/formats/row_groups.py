"""Where rows in Hilbert order are cut into row groups: sizes readers like, boxes that keep off each other.

Equal cuts leave groups in the shape of a staircase, whose boxes nearly always overlap their neighbours'. Cuts
between two large cells of the curve leave squares and rows of squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from geoingest.formats.hilbert import key_cells
from geoingest.formats.spatial_order import LAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Cuts = NDArray[np.intp]
    CellBox = tuple[int, int, int, int]

MIB: Final = 1 << 20
_WHOLE: Final = 2.5
"""Times `fewest`: so many rows stay one group, as two would leave hardly a choice where to cut."""
_CANDIDATES: Final = 24
"""Cuts between the largest cells that are looked at; more change nothing (measured)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroupRule:
    """How large a row group may be.

    Attributes:
        fewest, most: rows; only the last group, and groups of huge rows, hold fewer.
        size_bytes: uncompressed; a single larger row is a group of its own.
    """

    fewest: int = 50_000
    most: int = 150_000
    size_bytes: int = 128 * MIB


DEFAULT_RULE: Final = RowGroupRule()


def row_group_rows(
    rule: RowGroupRule,
    *,
    keys: NDArray[np.uint32],
    sizes: NDArray[np.uint32],
    remaining: int,
    previous: CellBox | None = None,
) -> tuple[int, CellBox]:
    """How many of the next rows make the next group, and that group's box in cells of the curve.

    Of the cuts between the largest cells, the first whose group keeps off the previous one.

    Args:
        keys, sizes: Hilbert key and bytes of the next rows in order: `rule.most` of them, or all that remain.
        remaining: rows from here to the end of the file; at least 1.
        previous: the box returned for the group before.
    Returns: from `rule.fewest` to `rule.most` rows, or what the bytes allow; the last takes what is left.
    """
    fitting = max(1, int(np.searchsorted(np.cumsum(sizes, dtype=np.int64), rule.size_bytes, side="right")))
    boxes = _growing_boxes(keys[:fitting])
    if fitting == remaining <= _WHOLE * rule.fewest:
        return remaining, _box(boxes, remaining)
    low = min(rule.fewest, max(1, fitting // 2))
    high = max(low, min(fitting, remaining - low))
    cuts = _widest_cuts(keys, low, high)
    if previous is not None:
        cuts = cuts[np.argsort(_overlap(boxes[:, cuts - 1], previous), kind="stable")]
    return int(cuts[0]), _box(boxes, int(cuts[0]))


class RowGroupCutter:
    """`row_group_rows` group after group, for `SpatialOrder.cut`."""

    def __init__(self, rule: RowGroupRule) -> None:
        self._rule = rule
        self._previous: CellBox | None = None

    def __call__(self, keys: NDArray[np.uint32], sizes: NDArray[np.uint32], remaining: int) -> int:
        """Rows of the next group."""
        rows, self._previous = row_group_rows(
            self._rule, keys=keys, sizes=sizes, remaining=remaining, previous=self._previous
        )
        return rows


def _widest_cuts(keys: NDArray[np.uint32], low: int, high: int) -> Cuts:
    """The cuts of low to high rows between the largest cells, largest first."""
    last = min(high, keys.size - 1)
    if last < low:
        return np.array([high])
    unlike = keys[low : last + 1] ^ keys[low - 1 : last]
    level = np.frexp(unlike.astype(np.float64))[1] + 1 >> 1
    return low + np.argsort(-level, kind="stable")[:_CANDIDATES]


def _growing_boxes(keys: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """West, south, east, north in cells of the first 1, 2, 3, ... rows, shape (4, rows)."""
    # Rows without a place come last: they count as being where the last place was.
    placed = int(np.searchsorted(keys, np.uint32(LAST)))
    column, row = key_cells(np.minimum(keys, keys[max(0, placed - 1)]))
    low, high = np.minimum.accumulate, np.maximum.accumulate
    return np.stack([low(column), low(row), high(column), high(row)])


def _overlap(boxes: NDArray[np.uint32], other: CellBox) -> NDArray[np.bool_]:
    """Which boxes share a cell with the other."""
    west, south, east, north = boxes
    beside = (west > other[2]) | (east < other[0])
    overlapping: NDArray[np.bool_] = ~(beside | (south > other[3]) | (north < other[1]))
    return overlapping


def _box(boxes: NDArray[np.uint32], rows: int) -> CellBox:
    west, south, east, north = boxes[:, rows - 1].tolist()
    return west, south, east, north
