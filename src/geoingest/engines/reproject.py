"""Reprojection of x and y between two CRSs given as PROJJSON, by PROJ's best operation for each point."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyproj

from geoingest.errors.geometry import CrsMixedError
from geoingest.formats.crs import projjson, resolve_crs, same_crs
from geoingest.recipes import Reproject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoingest.recipes import Step

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
    start, end = planar(resolve_crs(source)), planar(resolve_crs(target))
    return None if same_crs(start, end) else Transform(start, end)


def target_crs(steps: Sequence[Step], sources: Sequence[str], names: Sequence[str]) -> str:
    """The CRS (PROJJSON) of the transformed table: the reprojection's target, else the one CRS of all parts.

    Raises: CrsMixedError: no reprojection, and the parts differ.
    """
    for step in steps:
        if isinstance(step, Reproject):
            return json.dumps(projjson(resolve_crs(step.target)))
    for name, crs in zip(names, sources, strict=True):
        if not same_crs(resolve_crs(crs), resolve_crs(sources[0])):
            raise CrsMixedError(first=names[0], other=name)
    return sources[0]


def planar(crs: pyproj.CRS) -> pyproj.CRS:
    """What places x and y: of a compound CRS the horizontal part. Bound CRSs keep their datum shift."""
    return planar(crs.sub_crs_list[0]) if crs.is_compound else crs
