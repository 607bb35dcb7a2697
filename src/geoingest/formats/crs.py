"""Coordinate reference systems: from words to PROJJSON, names, comparison, and whether coordinates can belong.

Only AUTHORITY:CODE, WKT and PROJJSON reach PROJ: a PROJ string may name files and grids. PROJ's network is off.
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import cast

import pyproj
from pyproj._crs import AreaOfUse
from pyproj.exceptions import CRSError, ProjError
from pyproj.network import set_network_enabled  # type: ignore[attr-defined]  # pyproj declares no exports

from geoingest.errors.source import CoordsOutOfRangeError, CrsUnknownError

set_network_enabled(active=False)

Bounds = tuple[float, float, float, float]

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}:[A-Za-z0-9_.]{1,64}", re.ASCII)
_URN = re.compile(r"urn:ogc:def:crs:([A-Za-z0-9_]+):[^:]*:([A-Za-z0-9_.]+)", re.ASCII)
# WKT1, ESRI's WKT1, WKT2:2015 and WKT2:2019 all start with one of these words.
_WKT = re.compile(
    r"\s*(?:GEOGCS|GEOCCS|PROJCS|LOCAL_CS|COMPD_CS|GEODCRS|GEODETICCRS|GEOGCRS|GEOGRAPHICCRS|PROJCRS|PROJECTEDCRS"
    r"|COMPOUNDCRS|BOUNDCRS|ENGCRS|ENGINEERINGCRS|DERIVEDPROJCRS)\s*[\[(]",
    re.IGNORECASE,
)
_TEXT_BYTES = 1 << 20
# PROJ's own 0 to 100; below 70 it answers with CRSs that share no more than the ellipsoid's name.
_CONFIDENCE = 70
_MARGIN_DEGREES = 10.0
_TURN = 360.0


def resolve_crs(text: str) -> pyproj.CRS:
    """The CRS that `text` names: AUTHORITY:CODE, an OGC URN of one, WKT (1, ESRI or 2), or PROJJSON.

    Raises: CrsUnknownError.
    """
    if len(text) > _TEXT_BYTES:
        raise CrsUnknownError(text=text)
    return _resolve(text.strip())


@lru_cache(maxsize=64)
def _resolve(text: str) -> pyproj.CRS:
    urn = _URN.fullmatch(text)
    if urn:
        text = f"{urn[1]}:{urn[2]}"
    try:
        if _CODE.fullmatch(text):
            authority, code = text.split(":")
            return pyproj.CRS.from_authority(authority.upper(), code)
        if _WKT.match(text):
            return pyproj.CRS.from_wkt(text)
        if text.startswith("{"):
            return pyproj.CRS.from_json(text)
    except (CRSError, ValueError) as error:
        raise CrsUnknownError(text=text) from error
    raise CrsUnknownError(text=text)


def crs_name(crs: pyproj.CRS) -> str:
    """`AUTHORITY:CODE` when the CRS is one of a registry, else its own name."""
    authority = crs.to_authority(min_confidence=_CONFIDENCE)
    return ":".join(authority) if authority else crs.name


def projjson(crs: pyproj.CRS) -> dict[str, object]:
    """The CRS as PROJJSON."""
    return cast("dict[str, object]", json.loads(crs.to_json()))


def horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    """The horizontal part: of a compound CRS its first, of a bound one its source, of a 3D one the 2D form."""
    if crs.is_compound:
        return horizontal(crs.sub_crs_list[0])
    if crs.is_bound and crs.source_crs is not None:
        return horizontal(crs.source_crs)
    return crs.to_2d()


def same_crs(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Whether x, y data in the one is data in the other: axis order is nothing, OGC:CRS84 is EPSG:4326."""
    if one.equals(other, ignore_axis_order=True):
        return True
    return _flat_name(one) == _flat_name(other) is not None


def _flat_name(crs: pyproj.CRS) -> str | None:
    authority = crs.to_authority(min_confidence=100)
    if authority is None:
        return None
    name = ":".join(authority)
    return "EPSG:4326" if name == "OGC:CRS84" else name


def check_coordinates(crs: pyproj.CRS, bounds: Bounds, *, name: str) -> None:
    """Nothing, when data with these bounds (x, y in the CRS's units) can belong to `crs`; `name` is what to call it.

    Geographic: latitude within a quarter, longitude within a full turn. Projected: the bounds in degrees are finite and
    touch the CRS's area of use enlarged by its own size (at least 10 degrees) on each side.

    Raises: CoordsOutOfRangeError.
    """
    flat = horizontal(crs)
    if not all(map(math.isfinite, bounds)):
        raise CoordsOutOfRangeError(name=name, crs=crs_name(crs), bounds=bounds, expected="finite numbers")
    if flat.is_geographic:
        _check_angles(flat, bounds, name)
    elif flat.is_projected:
        _check_area(flat, bounds, name)


def _check_angles(crs: pyproj.CRS, bounds: Bounds, name: str) -> None:
    west, south, east, north = bounds
    turn = 2 * math.pi / crs.axis_info[0].unit_conversion_factor
    # A billionth of slack: 400 grads are not exactly a turn in binary.
    slack = turn * 1e-9
    if min(west, -east) < -turn - slack or min(south, -north) < -turn / 4 - slack:
        unit = crs.axis_info[0].unit_name
        expected = f"longitudes within ±{turn:g} and latitudes within ±{turn / 4:g} ({unit}), as x and y"
        raise CoordsOutOfRangeError(name=name, crs=crs_name(crs), bounds=bounds, expected=expected)


def _check_area(crs: pyproj.CRS, bounds: Bounds, name: str) -> None:
    degrees = _to_degrees(crs, bounds)
    if degrees is None:
        expected = "coordinates that lie on the earth in this CRS"
        raise CoordsOutOfRangeError(name=name, crs=crs_name(crs), bounds=bounds, expected=expected)
    area = crs.area_of_use
    if area is None or _touches(degrees, area):
        return
    raise CoordsOutOfRangeError(
        name=name,
        crs=crs_name(crs),
        bounds=bounds,
        expected=f"data near its area of use, {area.west:g} to {area.east:g} E, {area.south:g} to {area.north:g} N, "
        f"and not {degrees[0]:.4g} to {degrees[2]:.4g} E, {degrees[1]:.4g} to {degrees[3]:.4g} N",
    )


def _to_degrees(crs: pyproj.CRS, bounds: Bounds) -> Bounds | None:
    """`bounds` in WGS 84 longitude and latitude, or null where the projection has no inverse."""
    transformer = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True, allow_ballpark=True)
    try:
        west, south, east, north = transformer.transform_bounds(*bounds, densify_pts=21)
    except ProjError:
        return None
    if not all(map(math.isfinite, (west, south, east, north))):
        return None
    return west, south, east, north


def _touches(degrees: Bounds, area: AreaOfUse) -> bool:
    west, south, east, north = degrees
    width = (area.east - area.west) % _TURN or _TURN
    height = area.north - area.south
    margin_x, margin_y = max(width, _MARGIN_DEGREES), max(height, _MARGIN_DEGREES)
    if north < area.south - margin_y or south > area.north + margin_y:
        return False
    span = (east - west) % _TURN
    # How far east of the enlarged area's western edge the data begins, once around the globe.
    offset = (west - (area.west - margin_x)) % _TURN
    return offset <= width + 2 * margin_x or offset + span >= _TURN
