"""What a GeoParquet file needs to know of its rows: box, key and size of each, and the facts over all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geoingest.formats import wkb
from geoingest.formats.hilbert import point_keys
from geoingest.formats.row_sizes import row_sizes
from geoingest.formats.spatial_order import LAST
from geoingest.formats.wkb.buffers import FLOAT64, strided
from geoingest.formats.wkb.coordinates import positions

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from geoingest.formats.geo_metadata import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Measures of one batch.

    Attributes:
        boxes: west, south, east, north per row, shape (rows, 4); NaN for null and empty geometries.
        keys: place on the Hilbert curve per row; `LAST` without a box.
        sizes: uncompressed bytes per row.
        types: distinct ISO codes, 0 among them when a geometry is null.
        z_range: lowest and highest z, NaN without.
    """

    boxes: NDArray[np.float64]
    keys: NDArray[np.uint32]
    sizes: NDArray[np.int64]
    types: NDArray[np.uint32]
    z_range: tuple[float, float]
    nulls: int
    vertices: int


def measure(batch: pa.RecordBatch, bounds: Box | None) -> Measured:
    """Measures of a batch whose last column is normalised ISO WKB.

    Args: bounds: what the Hilbert curve fills; None gives every row the key `LAST`.
    Raises: GeometryUnreadableError.
    """
    geometry = batch.column(batch.num_columns - 1)
    walk = wkb.walk(geometry)
    boxes = wkb.bounds(walk)
    return Measured(
        boxes=boxes,
        keys=_keys(boxes, bounds),
        sizes=row_sizes(batch),
        types=np.unique(walk.types),
        z_range=_z_range(walk),
        nulls=geometry.null_count,
        vertices=wkb.vertices(walk),
    )


def _keys(boxes: NDArray[np.float64], bounds: Box | None) -> NDArray[np.uint32]:
    """Keys of the boxes' centres. The curve's last cell shares the key before it: `LAST` means no place."""
    keys = np.full(len(boxes), LAST, np.uint32)
    if bounds is not None:
        placed = ~np.isnan(boxes).any(axis=1)
        west, south, east, north = boxes[placed].T
        keys[placed] = np.minimum(point_keys((west + east) / 2, (south + north) / 2, bounds), LAST - 1)
    return keys


def _z_range(walk: wkb.Walk) -> tuple[float, float]:
    has_z = np.isin(walk.types[walk.row] // 1000, (1, 3)) & (walk.dims > 2)  # noqa: PLR2004 (x and y)
    if not has_z.any():
        return np.nan, np.nan
    at = positions(walk.start[has_z], walk.count[has_z], walk.dims[has_z])
    heights = strided(walk.data, FLOAT64)[at + 2 * FLOAT64.itemsize]
    return _least(heights), _greatest(heights)


@dataclass(slots=True, kw_only=True)
class Tally:
    """The facts over all batches added so far."""

    rows: int = 0
    nulls: int = 0
    vertices: int = 0
    codes: set[int] = field(default_factory=set)
    _extent: NDArray[np.float64] = field(default_factory=lambda: np.full(6, np.nan))

    def add(self, measured: Measured) -> None:
        """Count another batch in."""
        self.rows += len(measured.keys)
        self.nulls += measured.nulls
        self.vertices += measured.vertices
        self.codes.update(measured.types.tolist())
        west, south, east, north = measured.boxes.T
        bottom, top = measured.z_range
        low = np.fmin(self._extent[:3], [_least(west), _least(south), bottom])
        high = np.fmax(self._extent[3:], [_greatest(east), _greatest(north), top])
        self._extent = np.concatenate([low, high])

    @property
    def bounds(self) -> Box | None:
        """West, south, east, north over all rows, plain minima and maxima; None without a coordinate."""
        west, south, _, east, north, _ = self._extent.tolist()
        return None if np.isnan(west) else (west, south, east, north)

    @property
    def z_range(self) -> tuple[float, float] | None:
        """Lowest and highest z over all rows; None when no row has one."""
        bottom, top = self._extent[[2, 5]].tolist()
        return None if np.isnan(bottom) else (bottom, top)

    @property
    def types(self) -> NDArray[np.uint32]:
        """Distinct ISO codes over all rows, ascending."""
        return np.array(sorted(self.codes), np.uint32)


def _least(values: NDArray[np.float64]) -> float:
    return float(np.fmin.reduce(values, initial=np.nan))


def _greatest(values: NDArray[np.float64]) -> float:
    return float(np.fmax.reduce(values, initial=np.nan))
