"""The numbers of ISO 13249-3 (SQL/MM) well-known binary and the names they go by.

A code is `1000 * dimension + type`: dimension 0 is XY, 1 Z, 2 M, 3 ZM. Code 0 stands for a null row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes: TypeAlias = NDArray[np.uint32]

POINT: Final = 1
LINESTRING: Final = 2
POLYGON: Final = 3
MULTIPOINT: Final = 4
MULTILINESTRING: Final = 5
MULTIPOLYGON: Final = 6
GEOMETRYCOLLECTION: Final = 7
CIRCULARSTRING: Final = 8
COMPOUNDCURVE: Final = 9
CURVEPOLYGON: Final = 10
MULTICURVE: Final = 11
MULTISURFACE: Final = 12
POLYHEDRALSURFACE: Final = 15
TIN: Final = 16
TRIANGLE: Final = 17

NAMES: Final = {
    POINT: "Point",
    LINESTRING: "LineString",
    POLYGON: "Polygon",
    MULTIPOINT: "MultiPoint",
    MULTILINESTRING: "MultiLineString",
    MULTIPOLYGON: "MultiPolygon",
    GEOMETRYCOLLECTION: "GeometryCollection",
    CIRCULARSTRING: "CircularString",
    COMPOUNDCURVE: "CompoundCurve",
    CURVEPOLYGON: "CurvePolygon",
    MULTICURVE: "MultiCurve",
    MULTISURFACE: "MultiSurface",
    POLYHEDRALSURFACE: "PolyhedralSurface",
    TIN: "TIN",
    TRIANGLE: "Triangle",
}
DIMENSIONS: Final = ("", " Z", " M", " ZM")
ORDINATES: Final = (2, 3, 3, 4)

RINGED: Final = frozenset({POLYGON, TRIANGLE})
_CURVES: Final = frozenset({LINESTRING, CIRCULARSTRING, COMPOUNDCURVE})
# What each container may hold; the absent ones hold coordinates. GDAL and GEOS refuse the rest too.
CHILDREN: Final = {
    MULTIPOINT: frozenset({POINT}),
    MULTILINESTRING: frozenset({LINESTRING}),
    MULTIPOLYGON: frozenset({POLYGON}),
    GEOMETRYCOLLECTION: frozenset(NAMES),
    COMPOUNDCURVE: frozenset({LINESTRING, CIRCULARSTRING}),
    CURVEPOLYGON: _CURVES,
    MULTICURVE: _CURVES,
    MULTISURFACE: frozenset({POLYGON, CURVEPOLYGON}),
    POLYHEDRALSURFACE: frozenset({POLYGON, TRIANGLE}),
    TIN: frozenset({TRIANGLE}),
}
MAX_DEPTH: Final = 32
"""Containers inside one another, as many as GDAL's `importFromWkb` allows."""


def type_names(codes: Codes) -> tuple[str, ...]:
    """Sorted distinct OGC names of all non-null rows: `Point`, `MultiPolygon Z`, `LineString ZM`."""
    return tuple(
        sorted(NAMES[code % 1000] + DIMENSIONS[code // 1000] for code in np.unique(codes).tolist() if code)
    )


def has_m(codes: Codes) -> bool:
    """Whether any row carries a measure."""
    return bool((codes >= 2000).any())  # noqa: PLR2004 (M is dimension 2, ZM 3)


def ogc_geometry_type(codes: Codes) -> str:
    """The upper-case type of all rows, dimension and nulls ignored; `GEOMETRY` when mixed, else `UNKNOWN`."""
    found = np.unique(codes[codes > 0] % 1000).tolist()
    if len(found) > 1:
        return "GEOMETRY"
    return NAMES[found[0]].upper() if found else "UNKNOWN"


def is_linear(codes: Codes) -> bool:
    """Whether `linearise` surely has nothing to do; a collection may hide a curve, so it is not linear."""
    return not bool((codes % 1000 >= GEOMETRYCOLLECTION).any())
