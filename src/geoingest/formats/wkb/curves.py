"""Curves made linear: arcs become chords, surfaces and TINs become multipolygons, triangles polygons."""

from __future__ import annotations

from array import array
from math import radians
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Final

import numpy as np

from geoingest.errors.geometry import GeometryUnreadableError
from geoingest.formats.wkb.arcs import stroke_arc
from geoingest.formats.wkb.buffers import view_buffers, with_rows
from geoingest.formats.wkb.codes import (
    CIRCULARSTRING,
    COMPOUNDCURVE,
    CURVEPOLYGON,
    LINESTRING,
    MULTICURVE,
    MULTILINESTRING,
    MULTIPOLYGON,
    MULTISURFACE,
    ORDINATES,
    POINT,
    POLYGON,
    POLYHEDRALSURFACE,
    RINGED,
    TIN,
    TRIANGLE,
)
from geoingest.formats.wkb.rows import COUNTED_HEADER_BYTES, HEADER_BYTES, UnreadableError

if TYPE_CHECKING:
    import pyarrow as pa

    from geoingest.formats.wkb.walks import Walk

_LINEAR: Final = {
    CIRCULARSTRING: LINESTRING,
    COMPOUNDCURVE: LINESTRING,
    CURVEPOLYGON: POLYGON,
    MULTICURVE: MULTILINESTRING,
    MULTISURFACE: MULTIPOLYGON,
    POLYHEDRALSURFACE: MULTIPOLYGON,
    TIN: MULTIPOLYGON,
    TRIANGLE: POLYGON,
}
_ARC_POINTS: Final = 3


def linearise(column: pa.Array, walk: Walk, max_angle_deg: float = 4.0) -> tuple[pa.Array, int]:
    """The column with every curve, surface, TIN and triangle made linear, and how many rows changed.

    Control points stay exactly; Z and M run evenly from one to the next. An arc and its reverse give the same
    points, so neighbours still meet. Rows without curves keep their bytes.

    Args:
        column: what was walked.
        walk: of that very column; a new one is needed afterwards.
        max_angle_deg: the most that one chord spans, in degrees of its circle; > 0. The default is GDAL's.

    Raises: GeometryUnreadableError for a CircularString that cannot be one.
    """
    rows = np.flatnonzero(walk.curved)
    if not rows.size:
        return column, 0
    offsets = view_buffers(column).offsets
    stroker = _Stroker(walk.data.data, radians(max_angle_deg))
    values = []
    for row in rows.tolist():
        try:
            values.append(stroker.geometry(int(offsets[row]))[0])
        except UnreadableError as error:
            reason = f"{error.reason} (byte {error.position - offsets[row]})"
            raise GeometryUnreadableError(row=row, reason=reason) from None
    return with_rows(column, rows, values), rows.size


class _Stroker:
    """Rewrites geometries that `walk` found sound; each method returns where it stopped reading."""

    __slots__ = ("data", "max_angle")

    def __init__(self, data: memoryview, max_angle: float) -> None:
        self.data = data
        self.max_angle = max_angle

    def geometry(self, at: int) -> tuple[bytes, int]:
        _, code, count = unpack_from("<BII", self.data, at)
        dimension, base = divmod(code, 1000)
        width = ORDINATES[dimension]
        if base == POINT:
            after = at + HEADER_BYTES + 8 * width
            return bytes(self.data[at:after]), after
        header = pack("<BI", 1, 1000 * dimension + _LINEAR.get(base, base))
        if base in (LINESTRING, CIRCULARSTRING, COMPOUNDCURVE):
            line, at = self.curve(at, width)
            return header + line, at
        body, at = self.parts(base, width, at + COUNTED_HEADER_BYTES, count)
        return header + pack("<I", count) + body, at

    def parts(self, base: int, width: int, at: int, count: int) -> tuple[bytes, int]:
        """The rings of a polygon or the members of a collection."""
        pieces = []
        for _ in range(count):
            if base in RINGED:
                after = at + 4 + 8 * width * unpack_from("<I", self.data, at)[0]
                piece = bytes(self.data[at:after])
                at = after
            elif base == CURVEPOLYGON:
                piece, at = self.curve(at, width)
            else:
                piece, at = self.geometry(at)
            pieces.append(piece)
        return b"".join(pieces), at

    def curve(self, at: int, width: int) -> tuple[bytes, int]:
        """The counted points of a line string, an arc string or a compound of both."""
        points, at = self._points(at, width)
        return pack("<I", len(points) // width) + points.tobytes(), at

    def _points(self, at: int, width: int) -> tuple[array[float], int]:
        _, code, count = unpack_from("<BII", self.data, at)
        if ORDINATES[code // 1000] != width:
            raise UnreadableError("the parts of one curve differ in dimension", at)
        at += COUNTED_HEADER_BYTES
        points = array("d")
        if code % 1000 == COMPOUNDCURVE:
            for _ in range(count):
                part, at = self._points(at, width)
                joined = points[-width:] == part[:width]
                points.extend(part[width:] if joined else part)
            return points, at
        after = at + 8 * width * count
        points.frombytes(self.data[at:after])
        if code % 1000 == CIRCULARSTRING:
            if count and (count < _ARC_POINTS or count % 2 == 0):
                raise UnreadableError(f"a CircularString of {count} points", at)
            points = self._stroke(points, width)
        return points, after

    def _stroke(self, controls: array[float], width: int) -> array[float]:
        points = controls[:width]
        for at in range(0, len(controls) - width, 2 * width):
            start, middle, end = (controls[at + i * width : at + (i + 1) * width] for i in range(3))
            points.extend(stroke_arc(start, middle, end, self.max_angle))
            points.extend(end)
        return points
