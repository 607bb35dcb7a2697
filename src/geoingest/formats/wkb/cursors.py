"""Many rows of WKB, read side by side: every step consumes one token (header or ring) of every open row.

An optimisation of `rows.RowReader` that gives up (`DoubtError`) on anything odd, so it never has to explain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from geoingest.formats.wkb.buffers import UINT32, strided
from geoingest.formats.wkb.codes import (
    CHILDREN,
    GEOMETRYCOLLECTION,
    MAX_DEPTH,
    NAMES,
    ORDINATES,
    POINT,
    RINGED,
)
from geoingest.formats.wkb.rows import COUNTED_HEADER_BYTES, EXTERIOR, HEADER_BYTES, INTERIOR

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from geoingest.formats.wkb.buffers import Buffers

    Ints: TypeAlias = NDArray[np.int64]
    Bytes: TypeAlias = NDArray[np.uint8]
    Sequences: TypeAlias = tuple[Ints, Ints, Ints, Bytes, Bytes]
    """Row, start, count, ordinates and role of each; see `Walk`."""

_CODES: Final = 4000


def _table(values: dict[int, int]) -> NDArray[np.uint8]:
    """`values` by base type, spread over all codes; 0 elsewhere."""
    table = np.zeros(_CODES, np.uint8)
    for dimension in range(len(ORDINATES)):
        for base, value in values.items():
            table[1000 * dimension + base] = value
    return table


_BASE: Final = _table({base: base for base in NAMES})
_ORDINATES: Final = np.repeat(np.array(ORDINATES, np.uint8), 1000)
_LEAF: Final = _table({base: base not in CHILDREN and base not in RINGED for base in NAMES}).astype(bool)
_FIRST_ROLE: Final = np.array([EXTERIOR if base in RINGED else 0 for base in range(18)], np.uint8)
_ALLOWED: Final = np.array(
    [
        [base in CHILDREN.get(parent, NAMES if parent == 0 else ()) for base in range(18)]
        for parent in range(18)
    ]
)


class DoubtError(Exception):
    """A row is not plainly readable; `RowReader` knows why."""


def _require(fine: NDArray[np.bool_]) -> None:
    if not fine.all():
        raise DoubtError


class Cursors:
    """One cursor per row. A frame is one open container of a row: what it still holds and what that may be.

    A cursor only moves forward, is held against the row's end before each read, and must stand there at last,
    so no count needs a check of its own.
    Frames lie depth by depth, so the memory of depths that no geometry reaches stays untouched zero pages.
    """

    def __init__(self, buffers: Buffers, rows: Ints) -> None:
        size = buffers.valid.size
        frames = (MAX_DEPTH + 2) * size
        self.size = size
        self.orders = buffers.data
        self.words = strided(buffers.data, UINT32)
        self.at = buffers.offsets[:-1].copy()
        self.end = buffers.offsets[1:]
        self.curved = np.zeros(size, np.bool_)
        self.active = rows
        self.depth = np.zeros(size, np.int64)
        self.left = np.zeros(frames, np.int64)
        self.left[:size] = 1
        self.parent = np.zeros(frames, np.uint8)
        self.ordinates = np.zeros(frames, np.uint8)
        self.role = np.zeros(frames, np.uint8)
        self.found: list[Sequences] = []

    def step(self) -> None:
        """Consume one token of every active row. Raises: DoubtError."""
        rows = self.active
        ringed = self.role[self._frame(rows)] > 0
        if not ringed.any():
            self._read_headers(rows)
        elif ringed.all():
            self._read_rings(rows)
        else:
            self._read_headers(rows[~ringed])
            self._read_rings(rows[ringed])
        self._close()

    def _frame(self, rows: Ints) -> Ints:
        return self.depth[rows] * self.size + rows

    def _read_headers(self, rows: Ints) -> None:
        at, frame, end = self.at[rows], self._frame(rows), self.end[rows]
        _require(at + COUNTED_HEADER_BYTES <= end)
        code = self.words[at + 1].astype(np.int64)
        _require((self.orders[at] == 1) & (code < _CODES))
        base, leaf, ordinates = _BASE[code], _LEAF[code], _ORDINATES[code]
        _require(_ALLOWED[self.parent[frame], base])
        self.left[frame] -= 1
        self.curved[rows] |= base > GEOMETRYCOLLECTION
        point = base == POINT
        count = np.where(point, 1, self.words[at + HEADER_BYTES].astype(np.int64))
        at += np.where(point, HEADER_BYTES, COUNTED_HEADER_BYTES)
        self.at[rows] = at + np.where(leaf, count * (ordinates * 8), 0)
        if leaf.any():
            self.found.append(
                (rows[leaf], at[leaf], count[leaf], ordinates[leaf], np.zeros(leaf.sum(), np.uint8))
            )
        if not leaf.all():
            nest = ~leaf
            self._open(rows[nest], count[nest], base[nest], ordinates[nest])

    def _open(self, rows: Ints, count: Ints, base: Bytes, ordinates: Bytes) -> None:
        self.depth[rows] += 1
        _require(self.depth[rows] <= MAX_DEPTH)
        frame = self._frame(rows)
        self.left[frame] = count
        self.parent[frame] = base
        self.ordinates[frame] = ordinates
        self.role[frame] = _FIRST_ROLE[base]

    def _read_rings(self, rows: Ints) -> None:
        at, frame, end = self.at[rows], self._frame(rows), self.end[rows]
        _require(at + UINT32.itemsize <= end)
        count = self.words[at].astype(np.int64)
        at += UINT32.itemsize
        ordinates, role = self.ordinates[frame], self.role[frame]
        self.at[rows] = at + count * (ordinates * 8)
        self.left[frame] -= 1
        self.role[frame] = INTERIOR
        self.found.append((rows, at, count, ordinates, role))

    def _close(self) -> None:
        rows = self.active
        while rows.size:
            rows = rows[self.left[self._frame(rows)] == 0]
            self.depth[rows] -= 1
            rows = rows[self.depth[rows] >= 0]
        done = self.depth[self.active] < 0
        if done.any():
            closed = self.active[done]
            _require(self.at[closed] == self.end[closed])
            self.active = self.active[~done]
