"""Geometries written by hand in every dialect of WKB, independent of the code under test and of GEOS."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pyarrow as pa
from hypothesis import strategies as st

ORDINATES = (2, 3, 3, 4)
LINES = (2, 8)
POLYGONS = (3, 17)


@dataclass(frozen=True)
class Shape:
    """`parts`: points of a line, rings of a polygon, shapes of a container; one or no point of a point."""

    base: int
    parts: tuple
    dimension: int = 0


def encode(shape: Shape, *, order: str = "<", extended: bool = False, srid: int | None = None) -> bytes:
    code = 1000 * shape.dimension + shape.base
    if extended:
        flags = (0, 0x80000000, 0x40000000, 0xC0000000)[shape.dimension]
        code = shape.base | flags | (0x20000000 if srid is not None else 0)
    head = struct.pack(order + "BI", order == "<", code)
    if extended and srid is not None:
        head += struct.pack(order + "I", srid)
    if shape.base == 1:
        empty = (float("nan"),) * ORDINATES[shape.dimension]
        return head + _points(shape.parts or (empty,), order)
    head += struct.pack(order + "I", len(shape.parts))
    if shape.base in LINES:
        return head + _points(shape.parts, order)
    if shape.base in POLYGONS:
        return head + b"".join(
            struct.pack(order + "I", len(ring)) + _points(ring, order) for ring in shape.parts
        )
    return head + b"".join(encode(part, order=order, extended=extended) for part in shape.parts)


def _points(points, order: str) -> bytes:
    return b"".join(struct.pack(f"{order}{len(point)}d", *point) for point in points)


def column(shapes, kind: pa.DataType | None = None) -> pa.Array:
    """The rows as a slice of a longer column, so that no test rests on an offset of zero."""
    values = [None if shape is None else encode(shape) for shape in shapes]
    padding = encode(Shape(2, ((7.0, 7.0), (8.0, 8.0))))
    return pa.array([padding, *values, padding], kind or pa.binary()).slice(1, len(values))


ordinates = st.floats(-1e7, 1e7, width=64)


def points(dimension: int):
    return st.tuples(*[ordinates] * ORDINATES[dimension])


def lines(dimension: int):
    return st.lists(points(dimension), min_size=2, max_size=5).map(tuple) | st.just(())


def rings(dimension: int):
    return st.lists(points(dimension), min_size=3, max_size=6).map(lambda ring: (*ring, ring[0]))


@st.composite
def shapes(draw, *, bases=(1, 2, 3, 4, 5, 6, 7), depth: int = 3, dimension: int | None = None) -> Shape:
    """Linear geometries that GEOS reads: rings are closed, lines have no or at least two points."""
    if dimension is None:
        dimension = draw(st.integers(0, 3))
    base = draw(st.sampled_from(bases))
    if base == 1:
        parts = draw(st.lists(points(dimension), max_size=1))
    elif base == 2:
        parts = draw(lines(dimension))
    elif base == 3:
        parts = draw(st.lists(rings(dimension), max_size=3))
    else:
        inner = {4: (1,), 5: (2,), 6: (3,), 7: (1, 2, 3, 4, 5, 6, 7) if depth else (1, 2, 3)}[base]
        parts = draw(st.lists(shapes(bases=inner, depth=depth - 1, dimension=dimension), max_size=3))
    return Shape(base, tuple(parts), dimension)


columns = st.lists(st.none() | shapes(), max_size=8)
