"""The dialects of well-known binary, brought to one: little-endian ISO without SRID.

Read besides: big-endian, and the extended WKB of PostGIS, GEOS and old OGR, which flags Z, M and a SRID in
the type's high bits. The SRID is dropped: the CRS of a column is its reader's knowledge.
"""

from __future__ import annotations

import struct
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Final

import numpy as np

from geoingest.errors.geometry import GeometryUnreadableError
from geoingest.formats.wkb.buffers import UINT32, strided, view_buffers, with_rows
from geoingest.formats.wkb.codes import CHILDREN, MAX_DEPTH, NAMES, ORDINATES, POINT, RINGED
from geoingest.formats.wkb.rows import HEADER_BYTES, UnreadableError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_Z: Final = 0x80000000
_M: Final = 0x40000000
_SRID: Final = 0x20000000
_FLAGS: Final = _Z | _M | _SRID


def normalise(column: pa.Array) -> pa.Array:
    """The column as little-endian ISO WKB without SRID; the very same array when it is that already.

    A row is judged by its outermost header. Raises: GeometryUnreadableError for a row of another dialect that
    cannot be read; the rest is for `walk` to judge.
    """
    rows = _foreign_rows(column)
    if not rows.size:
        return column
    return with_rows(column, rows, [_rewritten(column, row) for row in rows.tolist()])


def _foreign_rows(column: pa.Array) -> NDArray[np.int64]:
    buffers = view_buffers(column)
    start = buffers.offsets[:-1]
    rows = np.flatnonzero(buffers.valid & (buffers.offsets[1:] - start >= HEADER_BYTES))
    order = buffers.data[start[rows]]
    flagged = strided(buffers.data, UINT32)[start[rows] + 1] & _FLAGS != 0
    foreign: NDArray[np.int64] = rows[(order == 0) | (order == 1) & flagged]
    return foreign


def _rewritten(column: pa.Array, row: int) -> bytes:
    rewriter = _Rewriter(memoryview(column[row].as_buffer()))
    try:
        rewriter.geometry(0)
    except (UnreadableError, struct.error) as error:
        reason = error.reason if isinstance(error, UnreadableError) else "cut short"
        raise GeometryUnreadableError(row=row, reason=f"{reason} (byte {rewriter.at})") from None
    # What follows the geometry is kept for `walk` to refuse.
    return b"".join([*rewriter.pieces, rewriter.data[rewriter.at :]])


class _Rewriter:
    """Collects the normal form of one geometry of any dialect; `struct` refuses to read past the end."""

    __slots__ = ("at", "data", "pieces")

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0
        self.pieces: list[bytes] = []

    def geometry(self, depth: int) -> None:
        (order,) = unpack_from("B", self.data, self.at)
        if order > 1:
            raise UnreadableError(f"byte order {order}", self.at)
        endian = "><"[order]
        self.at += 1
        dimension, base = self._type(endian)
        self.pieces.append(pack("<BI", 1, 1000 * dimension + base))
        point_bytes = 8 * ORDINATES[dimension]
        if base == POINT:
            self._ordinates(endian, point_bytes)
            return
        count = self._count(endian)
        if base in RINGED:
            for _ in range(count):
                self._ordinates(endian, self._count(endian) * point_bytes)
        elif base not in CHILDREN:
            self._ordinates(endian, count * point_bytes)
        elif depth == MAX_DEPTH:
            raise UnreadableError(f"nested deeper than {MAX_DEPTH}", self.at)
        else:
            for _ in range(count):
                self.geometry(depth + 1)

    def _type(self, endian: str) -> tuple[int, int]:
        code = self._word(endian)
        dimension, base = divmod(code & ~_FLAGS, 1000)
        if base not in NAMES or dimension >= len(ORDINATES):
            raise UnreadableError(f"type {code} is unknown", self.at)
        if code & _SRID:
            self._word(endian)
        has_z = bool(code & _Z) or dimension in (1, 3)
        has_m = bool(code & _M) or dimension in (2, 3)
        return has_z + 2 * has_m, base

    def _word(self, endian: str) -> int:
        (word,) = unpack_from(endian + "I", self.data, self.at)
        self.at += 4
        return int(word)

    def _count(self, endian: str) -> int:
        count = self._word(endian)
        self.pieces.append(pack("<I", count))
        return count

    def _ordinates(self, endian: str, size_bytes: int) -> None:
        numbers = self.data[self.at : self.at + size_bytes]
        if len(numbers) < size_bytes:
            raise UnreadableError("cut short", self.at)
        self.at += size_bytes
        self.pieces.append(np.frombuffer(numbers, endian + "u8").astype("<u8").tobytes())
