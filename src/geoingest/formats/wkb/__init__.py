"""Columns of ISO well-known binary, handled without making geometry objects: Z, M and every type survive.

Every function takes Arrow `binary` or `large_binary` arrays, sliced or not; null stays null. All but
`normalise` assume its output: little-endian ISO without SRID.
"""

from geoingest.formats.wkb.buffers import with_rows as replace_rows
from geoingest.formats.wkb.codes import has_m, is_linear, ogc_geometry_type, type_names
from geoingest.formats.wkb.coordinates import bounds, map_xy, vertices, xy
from geoingest.formats.wkb.curves import linearise
from geoingest.formats.wkb.encoding import normalise
from geoingest.formats.wkb.promotion import promote
from geoingest.formats.wkb.rings import orient
from geoingest.formats.wkb.walks import Walk, moved, walk

__all__ = [
    "Walk",
    "bounds",
    "has_m",
    "is_linear",
    "linearise",
    "map_xy",
    "moved",
    "normalise",
    "ogc_geometry_type",
    "orient",
    "promote",
    "replace_rows",
    "type_names",
    "vertices",
    "walk",
    "xy",
]
