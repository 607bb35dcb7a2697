"""One row of WKB, read token by token: the truth on what is readable, and the way through giant geometries.

Untrusted bytes: every count is checked against the bytes that are left before anything is done with it.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from geoingest.formats.wkb.codes import (
    CHILDREN,
    GEOMETRYCOLLECTION,
    MAX_DEPTH,
    NAMES,
    ORDINATES,
    POINT,
    RINGED,
)

if TYPE_CHECKING:
    from array import array
    from collections.abc import Container

_HEADER: Final = Struct("<BII")
_COUNT: Final = Struct("<I")
EXTERIOR: Final = 1
INTERIOR: Final = 2
HEADER_BYTES: Final = 5
COUNTED_HEADER_BYTES: Final = 9
"""A header and a count: also the least any geometry takes, as no point is shorter."""
_KINDS: Final = {
    1000 * dimension + base: (base, ordinates)
    for dimension, ordinates in enumerate(ORDINATES)
    for base in NAMES
}


class UnreadableError(Exception):
    """What is wrong, and at which byte of the row's buffer."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


class RowReader:
    """Collects the coordinate sequences of rows of one buffer, five numbers each (see `Walk`)."""

    __slots__ = ("curved", "data", "end", "found", "row")

    def __init__(self, data: memoryview, found: array[int]) -> None:
        self.data = data
        self.found = found
        self.row = self.end = 0
        self.curved = False

    def read(self, row: int, start: int, end: int) -> None:
        """Append the row's sequences to `found`; sets `curved`. Raises: UnreadableError."""
        self.row, self.end, self.curved = row, end, False
        position = self._geometry(start, NAMES, 0)
        if position != end:
            raise UnreadableError(f"{end - position} bytes follow its end", position)

    def _geometry(self, at: int, allowed: Container[int], depth: int) -> int:
        if at + COUNTED_HEADER_BYTES > self.end:
            raise UnreadableError("cut short", at)
        order, code, count = _HEADER.unpack_from(self.data, at)
        if order != 1 or code not in _KINDS:
            raise UnreadableError(f"byte order {order} with type {code} is not normalised WKB", at)
        base, ordinates = _KINDS[code]
        if base not in allowed:
            raise UnreadableError(f"a {NAMES[base]} may not stand here", at)
        self.curved = self.curved or base > GEOMETRYCOLLECTION
        if base == POINT:
            return self._sequence(at + HEADER_BYTES, 1, ordinates, 0)
        at += COUNTED_HEADER_BYTES
        if base in RINGED:
            return self._rings(at, count, ordinates)
        if base not in CHILDREN:
            return self._sequence(at, count, ordinates, 0)
        return self._children(at, count, CHILDREN[base], depth + 1)

    def _children(self, at: int, count: int, allowed: Container[int], depth: int) -> int:
        if depth > MAX_DEPTH:
            raise UnreadableError(f"nested deeper than {MAX_DEPTH}", at)
        if at + count * COUNTED_HEADER_BYTES > self.end:
            raise UnreadableError(f"cut short: {count} parts announced", at)
        for _ in range(count):
            at = self._geometry(at, allowed, depth)
        return at

    def _rings(self, at: int, count: int, ordinates: int) -> int:
        if at + count * _COUNT.size > self.end:
            raise UnreadableError(f"cut short: {count} rings announced", at)
        for ring in range(count):
            if at + _COUNT.size > self.end:
                raise UnreadableError("cut short", at)
            (points,) = _COUNT.unpack_from(self.data, at)
            at = self._sequence(at + _COUNT.size, points, ordinates, INTERIOR if ring else EXTERIOR)
        return at

    def _sequence(self, at: int, count: int, ordinates: int, role: int) -> int:
        after = at + count * ordinates * 8
        if after > self.end:
            raise UnreadableError(f"cut short: {count} points announced", at)
        self.found.extend((self.row, at, count, ordinates, role))
        return after
