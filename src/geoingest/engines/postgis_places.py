"""Whether PostGIS puts coordinates where pyproj puts them: asked before it is trusted with a reprojection.

PROJ's answers depend on its version and grids, and a height takes part in a datum shift: between two servers in
use, heights move points by centimetres and PROJ 9.1 and 9.5 disagree by 0.8 m on EPSG:31467 to EPSG:25832.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pyproj

from geoingest.engines.postgis_statements import PER_DIMENSION, Srids
from geoingest.engines.reproject import planar
from geoingest.formats.crs import resolve_crs, same_crs

if TYPE_CHECKING:
    from geoingest.engines.postgis_tables import Part
    from geoingest.engines.reproject import Floats, Transform

# A tenth of a millimetre on the ground, in degrees and in metres.
AGREED_DEGREES, AGREED_METRES = 1e-9, 1e-4
GRID = 7
HEIGHT_M = 1000.0
_WGS84 = pyproj.CRS("EPSG:4326")
_PLACED = """
SELECT ST_X(p), ST_Y(p), ST_Z(p) FROM unnest(%(x)s::float8[], %(y)s::float8[]) WITH ORDINALITY AS grid(x, y, number),
LATERAL ST_Transform(ST_SetSRID(ST_MakePoint(x, y, %(z)s), %(source)s), %(target)s) AS p ORDER BY number
"""


def find_srids(
    session: psycopg.Connection, part: Part, target: str, transform: Transform | None
) -> Srids | None:
    """How PostGIS is told to move the part to `target` (PROJJSON); null when it knows no such way, or another one.

    Args: transform: pyproj's way, null when nothing moves.
    """
    if transform is None:
        return Srids()
    source, goal = _srid(part.crs), _srid(target)
    if source is None or goal is None:
        return None
    srids = Srids(source=source, target=goal)
    agreed = AGREED_DEGREES if resolve_crs(target).is_geographic else AGREED_METRES
    try:
        return srids if _agree(session, part, srids, transform, agreed) else None
    except (psycopg.errors.InternalError_, psycopg.DataError):
        # It has no such SRID, or a corner of the box has no image there.
        return None


def _agree(
    session: psycopg.Connection, part: Part, srids: Srids, transform: Transform, agreed: float
) -> bool:
    """Whether a grid over the part's box lands on the same spots, at height too where the part has heights."""
    if part.bounds is None:
        return True
    west, south, east, north = part.bounds
    x, y = (
        values.ravel()
        for values in np.meshgrid(np.linspace(west, east, GRID), np.linspace(south, north, GRID))
    )
    heights = [0.0, HEIGHT_M] if any(code >= PER_DIMENSION for code in part.types) else [0.0]
    expected = np.column_stack(transform(x, y))
    for z in heights:
        values = {"x": x.tolist(), "y": y.tolist(), "z": z, "source": srids.source, "target": srids.target}
        got: Floats = np.array(session.execute(_PLACED, values).fetchall())
        if not (np.abs(got[:, :2] - expected) <= agreed).all() or not (got[:, 2] == z).all():
            return False
    return True


def _srid(crs: str) -> int | None:
    """The EPSG number of what places x and y; null when EPSG has none."""
    flat = planar(resolve_crs(crs))
    if same_crs(flat, _WGS84):
        return 4326
    authority = flat.to_authority(auth_name="EPSG", min_confidence=100)
    return int(authority[1]) if authority else None
