"""Single geometries as multi geometries of one part."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import numpy as np

from geoingest.formats.wkb.buffers import with_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from geoingest.formats.wkb.walks import Walk

# Point, LineString and Polygon become MultiPoint, MultiLineString and MultiPolygon: the code plus 3.
SINGLE: Final = (1, 2, 3)
MULTI_OFFSET: Final = 3


def promote(column: pa.Array, found: Walk) -> tuple[pa.Array, int]:
    """Every point, line string and polygon as a multi geometry of one part, and how many there were.

    `found` is the walk of `column`. An empty one becomes an empty multi geometry. Z and M stay; other types stay byte
    for byte.
    """
    rows = np.flatnonzero(np.isin(found.types % 1000, SINGLE)).astype(np.int64)
    if rows.size == 0:
        return column, 0
    points = np.bincount(found.row, found.count, minlength=found.rows)
    values = [
        _promoted(column[int(row)].as_py(), int(found.types[row]), empty=points[row] == 0) for row in rows
    ]
    return with_rows(column, rows, values), int(rows.size)


def _promoted(single: bytes, code: int, *, empty: bool) -> bytes:
    header = struct.pack("<BII", 1, code + MULTI_OFFSET, 0 if empty else 1)
    return header if empty else header + single
