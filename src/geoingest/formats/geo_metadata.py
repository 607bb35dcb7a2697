"""The `geo` metadata of GeoParquet 1.1.0: written exactly, read only for what it says of the columns.

Source: https://geoparquet.org/releases/v1.1.0/ (specification and JSON schema).
"""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Box: TypeAlias = tuple[float, float, float, float]
"""West, south, east, north; west > east means across the antimeridian."""

VERSION: Final = "1.1.0"
CORNERS: Final = ("xmin", "ymin", "xmax", "ymax")
_BASES: Final = (
    "Point",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
)
_SAYABLE: Final = frozenset(_BASES) | frozenset(f"{base} Z" for base in _BASES)


def geo_metadata(
    *,
    geometry_column: str,
    covering_column: str,
    geometry_types: Sequence[str],
    crs: Mapping[str, object] | None,
    bounds: Box | None,
    z_range: tuple[float, float] | None = None,
) -> str:
    """The JSON text of the `geo` key for one WKB column whose rings the caller has oriented.

    Args:
        geometry_types: exact over all rows. 1.1.0 has no word for M, curves and surfaces: when one occurs the
            list is written empty, which means "not known"; naming the others alone would deny those rows.
        crs: PROJJSON; None is written as null, "unknown". (An absent crs would claim OGC:CRS84.)
        bounds: None leaves the bbox out: there is no geometry, or its coordinates are no finite numbers.
        z_range: lowest and highest z over the rows that have one; makes the bbox six numbers, as the
            specification asks for three dimensions.
    """
    column: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": list(geometry_types) if _SAYABLE.issuperset(geometry_types) else [],
        "crs": crs,
        "orientation": "counterclockwise",
        "edges": "planar",
        "covering": {"bbox": {corner: [covering_column, corner] for corner in CORNERS}},
    }
    if bounds is not None and all(map(isfinite, bounds)):
        column["bbox"] = _extent(bounds, z_range)
    geo = {"version": VERSION, "primary_column": geometry_column, "columns": {geometry_column: column}}
    return json.dumps(geo, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _extent(bounds: Box, z_range: tuple[float, float] | None) -> list[float]:
    if z_range is None or not all(map(isfinite, z_range)):
        return list(bounds)
    west, south, east, north = bounds
    bottom, top = z_range
    return [west, south, bottom, east, north, top]


def geometry_columns(schema_metadata: Mapping[bytes, bytes] | None) -> frozenset[str]:
    """Names of the columns that a Parquet file's `geo` key calls geometry; none without a readable one."""
    try:
        columns = json.loads((schema_metadata or {})[b"geo"])["columns"]
    except (KeyError, TypeError, ValueError):
        return frozenset()
    return frozenset(columns) if isinstance(columns, dict) else frozenset()
