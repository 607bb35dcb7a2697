"""Counting over a table without keeping it: rows, box, geometry types."""

from __future__ import annotations

import numpy as np

from geoingest.formats import wkb


class Tally:
    """Sums over the batches of one table, added in any order."""

    def __init__(self) -> None:
        self.rows = 0
        self._codes: set[int] = set()
        self._box = np.array([np.inf, np.inf, -np.inf, -np.inf])

    def add(self, walk: wkb.Walk) -> None:
        """Count a batch by its geometry column."""
        self.rows += walk.rows
        self._codes.update(np.unique(walk.types).tolist())
        boxes = wkb.bounds(walk)
        if len(boxes):
            # fmin and fmax pass over the NaN of rows without coordinates.
            self._box[:2] = np.fmin(self._box[:2], np.fmin.reduce(boxes[:, :2]))
            self._box[2:] = np.fmax(self._box[2:], np.fmax.reduce(boxes[:, 2:]))

    def add_rows(self, rows: int, *, code: int | None, box: tuple[float, float, float, float] | None) -> None:
        """Count rows of one ISO WKB code (null: without geometry) that were summed up elsewhere."""
        self.rows += rows
        self._codes.add(code or 0)
        if box is not None:
            self._box[:2] = np.fmin(self._box[:2], box[:2])
            self._box[2:] = np.fmax(self._box[2:], box[2:])

    def merge(self, other: Tally) -> None:
        """Count everything that `other` counted."""
        self.rows += other.rows
        self._codes |= other._codes
        self._box[:2] = np.minimum(self._box[:2], other._box[:2])
        self._box[2:] = np.maximum(self._box[2:], other._box[2:])

    @property
    def types(self) -> tuple[int, ...]:
        """The ISO WKB codes that occur, sorted; rows without geometry do not count."""
        return tuple(sorted(self._codes - {0}))

    @property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north over all rows; null when no row has a coordinate."""
        if not np.isfinite(self._box).all():
            return None
        west, south, east, north = self._box.tolist()
        return (west, south, east, north)
