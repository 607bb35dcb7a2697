"""Whether a GeoJSON geometry is one: GDAL makes null, or something smaller, of what it cannot read."""

from __future__ import annotations

import numpy as np

_DEPTHS = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
_RINGS = {"Polygon", "MultiPolygon"}
_LENGTHS = (2, 3)


def geometry_fault(geometry: object) -> str | None:
    """What is wrong with a GeoJSON geometry object, in words for the user; null when nothing is."""
    if not isinstance(geometry, dict):
        return "a geometry is no object"
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        members = geometry.get("geometries")
        if not isinstance(members, list):
            return "a GeometryCollection has no geometries"
        return next((fault for fault in map(geometry_fault, members) if fault), None)
    if kind not in _DEPTHS:
        return f"a geometry has the unknown type {kind!r}"
    coordinates = geometry.get("coordinates")
    if not isinstance(coordinates, list):
        return f"a {kind} has no coordinates"
    return _fault(coordinates, _DEPTHS[kind], ring=kind in _RINGS)


def is_blank(geometry: object) -> bool:
    """Whether GDAL gives null for it, as RFC 7946 allows for a point without coordinates."""
    return (
        isinstance(geometry, dict) and geometry.get("type") == "Point" and geometry.get("coordinates") == []
    )


def _fault(coordinates: object, depth: int, *, ring: bool) -> str | None:
    if not isinstance(coordinates, list):
        return "coordinates are no array"
    if depth == 0:
        return positions_fault([coordinates] if coordinates else [])
    if depth > 1:
        return next((fault for part in coordinates if (fault := _fault(part, depth - 1, ring=ring))), None)
    if ring and coordinates and coordinates[0] != coordinates[-1]:
        return "a polygon's ring is not closed"
    return positions_fault(coordinates)


def positions_fault(positions: list[object]) -> str | None:
    """What is wrong with a list of positions; null when each is two or three finite numbers."""
    if not positions:
        return None
    try:
        values = np.asarray(positions)
    except ValueError:
        # Positions of different length: legal, and too rare to deserve more than the slow way.
        return next((fault for position in positions if (fault := positions_fault([position]))), None)
    if values.dtype.kind not in "fiu" or values.ndim != 2:  # noqa: PLR2004 - positions by coordinates
        return "a position is not an array of numbers"
    if values.shape[1] not in _LENGTHS:
        return f"a position has {values.shape[1]} coordinates instead of 2 or 3"
    return None if np.isfinite(values).all() else "a coordinate is not a finite number"
