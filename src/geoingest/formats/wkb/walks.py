"""Where the coordinates of a column of WKB lie, without making geometry objects."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from geoingest.errors.geometry import GeometryUnreadableError
from geoingest.formats.wkb.buffers import UINT32, XY, strided, view_buffers
from geoingest.formats.wkb.cursors import Cursors, DoubtError
from geoingest.formats.wkb.rows import RowReader, UnreadableError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from geoingest.formats.wkb.buffers import Buffers
    from geoingest.formats.wkb.cursors import Bytes, Ints, Sequences

_FEW_ROWS: Final = 64
"""Below this many open rows the plain loop is faster than numpy (measured, both near 1 us a token)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The types of a column's rows and, in the order of the bytes, its coordinate sequences.

    Attributes:
        data: the column's bytes (a view); sequences point into it.
        rows: how many rows, nulls included.
        types: ISO code per row, 0 for a null row.
        curved: per row, whether a curve, surface, TIN or triangle stands in it at any depth.
        row, start, count: per sequence its row, first byte and points; an empty point has 0 points.
        dims: ordinates per point, 2 to 4.
        role: 0 not a ring of a polygon (a point, a line, a ring of a CurvePolygon), 1 exterior, 2 interior.
    """

    data: Bytes
    rows: int
    types: NDArray[np.uint32]
    curved: NDArray[np.bool_]
    row: Ints
    start: Ints
    count: Ints
    dims: Bytes
    role: Bytes


def moved(before: Walk, column: pa.Array) -> Walk:
    """The walk of a column that differs from the one walked before in coordinates only, at a fraction of the cost."""
    return replace(before, data=view_buffers(column).data)


def walk(column: pa.Array) -> Walk:
    """The coordinate sequences of a binary column of little-endian ISO WKB (see `normalise`).

    Linear in headers and rings whatever the bytes say.
    Raises: GeometryUnreadableError naming the first bad row.
    """
    buffers = view_buffers(column)
    rows = np.flatnonzero(buffers.valid)
    cursors = Cursors(buffers, rows)
    try:
        while cursors.active.size >= _FEW_ROWS:
            cursors.step()
    except DoubtError:
        cursors = Cursors(buffers, rows)
    vectorised = [_without(cursors, part) for part in cursors.found]
    plain = _read_rows(buffers, cursors)
    columns = [np.concatenate(parts) for parts in zip(*vectorised, plain, strict=True)]
    order = np.argsort(columns[1], kind="stable")
    row, start, count, dims, role = (values[order] for values in columns)
    types = np.zeros(buffers.valid.size, np.uint32)
    types[rows] = strided(buffers.data, UINT32)[buffers.offsets[rows] + 1]
    _mark_empty_points(buffers.data, start, count, role)
    return Walk(
        data=buffers.data,
        rows=buffers.valid.size,
        types=types,
        curved=cursors.curved,
        row=row,
        start=start,
        count=count,
        dims=dims,
        role=role,
    )


def _without(cursors: Cursors, part: Sequences) -> Sequences:
    """The part less the rows that are left to `_read_rows`, which begins them again."""
    if not cursors.active.size:
        return part
    keep = np.isin(part[0], cursors.active, invert=True)
    row, start, count, dims, role = part
    return row[keep], start[keep], count[keep], dims[keep], role[keep]


def _read_rows(buffers: Buffers, cursors: Cursors) -> Sequences:
    """The sequences of the rows still active; marks their curves. Raises: GeometryUnreadableError."""
    reader = RowReader(buffers.data.data, array("q"))
    for row in cursors.active.tolist():
        start, end = buffers.offsets[row : row + 2].tolist()
        try:
            reader.read(row, start, end)
        except UnreadableError as error:
            raise GeometryUnreadableError(
                row=row, reason=f"{error.reason} (byte {error.position - start} of {end - start})"
            ) from None
        cursors.curved[row] = reader.curved
    found = np.frombuffer(reader.found, np.int64).reshape(-1, 5)
    row, start, count, dims, role = found.T
    return row, start, count, dims.astype(np.uint8), role.astype(np.uint8)


def _mark_empty_points(data: Bytes, start: Ints, count: Ints, role: Bytes) -> None:
    """POINT EMPTY is written as a point of NaN: its sequence gets no points."""
    single = np.flatnonzero((count == 1) & (role == 0))
    points = strided(data, XY)[start[single]]
    nothing = np.isnan(points.real) & np.isnan(points.imag)
    count[single[nothing]] = 0
