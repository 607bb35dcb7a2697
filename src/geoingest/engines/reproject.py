"""Reprojection of x and y between two CRSs given as PROJJSON, by PROJ's best operation for each point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyproj

from geoingest.formats.crs import resolve_crs, same_crs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Transform:
    """A function of (x, y) arrays in the source CRS to (x, y) in the target; infinite where PROJ finds no image.

    Axis order is x, y (east, north) on both sides. Safe in threads: pyproj keeps one PROJ context a thread.
    """

    def __init__(self, source: pyproj.CRS, target: pyproj.CRS) -> None:
        self._transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """The images of the points, same order."""
        east, north = self._transformer.transform(x, y)
        return east, north


def transform_between(source: str, target: str) -> Transform | None:
    """The reprojection between two CRSs (PROJJSON); null when both place x and y alike: not a bit changes."""
    start, end = _planar(resolve_crs(source)), _planar(resolve_crs(target))
    return None if same_crs(start, end) else Transform(start, end)


def _planar(crs: pyproj.CRS) -> pyproj.CRS:
    """What places x and y: of a compound CRS the horizontal part. Bound CRSs keep their datum shift."""
    return _planar(crs.sub_crs_list[0]) if crs.is_compound else crs
