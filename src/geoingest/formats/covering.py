"""The bbox covering column of GeoParquet 1.1: one box per row that readers skip row groups and pages by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from geoingest.formats.geo_metadata import CORNERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

COVERING_TYPE = pa.struct([pa.field(corner, pa.float32()) for corner in CORNERS])


def covering_name(names: Iterable[str]) -> str:
    """`bbox`, or `bbox_1`, `bbox_2`, ... where a column has that name already, in whatever case."""
    taken = {name.casefold() for name in names}
    number = 0
    while (name := f"bbox_{number}" if number else "bbox") in taken:
        number += 1
    return name


def covering(boxes: NDArray[np.float64], geometry: pa.Array) -> pa.StructArray:
    """Boxes as float32, rounded outward: never smaller than the geometry.

    A null geometry has a null box; an empty one a box of four nulls, as the specification wants.
    Args: boxes: west, south, east, north, shape (rows, 4), NaN for null and empty geometries.
    """
    with np.errstate(over="ignore"):
        near = boxes.astype(np.float32)
    west_south = near[:, :2] > boxes[:, :2]
    east_north = near[:, 2:] < boxes[:, 2:]
    outward = np.array([-np.inf, -np.inf, np.inf, np.inf], np.float32)
    corners = np.where(np.hstack([west_south, east_north]), np.nextafter(near, outward), near)
    return pa.StructArray.from_arrays(
        [pa.array(corners[:, side], from_pandas=True) for side in range(len(CORNERS))],
        fields=list(COVERING_TYPE),
        mask=geometry.is_null(),
    )
