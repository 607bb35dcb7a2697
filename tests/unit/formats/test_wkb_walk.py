from __future__ import annotations

import struct
import sys
import tracemalloc
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geoingest.errors import PermanentError
from geoingest.errors.geometry import GeometryUnreadableError
from geoingest.formats import wkb
from unit.formats.wkb_strategies import Shape, column, columns, encode, shapes

SQUARE = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0), (0.0, 0.0))
HOLE = ((1.0, 1.0), (1.0, 2.0), (2.0, 2.0), (1.0, 1.0))
MANY = 100
"""Rows enough for the side-by-side reader."""


def sequences(array: pa.Array) -> list[tuple[int, ...]]:
    """Row, first byte within the row, points, ordinates and role of each sequence."""
    walked = wkb.walk(array)
    lengths = [0 if value is None else len(value) for value in array.to_pylist()]
    begin = np.cumsum([0, *lengths])[walked.row]
    columns = (walked.row, walked.start - begin, walked.count, walked.dims, walked.role)
    return [tuple(row) for row in np.stack([np.asarray(c, np.int64) for c in columns], 1).tolist()]


def geos(array: pa.Array) -> np.ndarray:
    return shapely.from_wkb(np.array(array.to_pylist(), object))


def test_every_ring_is_found_with_its_place_and_role():
    polygon = Shape(3, (SQUARE, HOLE))
    rows = [
        None,
        polygon,
        Shape(1, ((1.0, 2.0, 3.0),), 1),
        Shape(7, (Shape(2, SQUARE), Shape(6, (polygon,)))),
    ]
    expected = [
        (1, 13, 5, 2, 1),
        (1, 97, 4, 2, 2),
        (2, 5, 1, 3, 0),
        (3, 18, 5, 2, 0),
        (3, 120, 5, 2, 1),
        (3, 204, 4, 2, 2),
    ]
    assert sequences(column(rows)) == expected
    assert wkb.walk(column(rows)).types.tolist() == [0, 3, 1001, 7]


@given(columns)
def test_reading_side_by_side_finds_what_reading_row_by_row_finds(rows):
    repeated = column(rows * MANY)
    apart = sequences(column(rows))
    assert sequences(repeated) == [
        (row + len(rows) * turn, *rest) for turn in range(MANY) for row, *rest in apart
    ]


@given(columns, st.sampled_from([1, MANY]), st.sampled_from([pa.binary(), pa.large_binary()]))
def test_vertices_and_bounds_are_those_of_geos(rows, repeats, kind):
    array = column(rows * repeats, kind)
    walked, geometries = wkb.walk(array), geos(array)
    assert wkb.vertices(walked) == shapely.count_coordinates(geometries)
    # Each row's box over its bare points: GEOS leaves the holes of a polygon out of its own.
    points = [shapely.multipoints(shapely.get_coordinates(g)) if g else None for g in geometries]
    np.testing.assert_array_equal(wkb.bounds(walked), shapely.bounds(np.array(points, object)).reshape(-1, 4))


@given(columns, st.sampled_from([1, MANY]))
def test_x_and_y_are_those_of_geos_in_order(rows, repeats):
    array = column(rows * repeats)
    x, y = wkb.xy(wkb.walk(array))
    np.testing.assert_array_equal(np.stack([x, y], 1), shapely.get_coordinates(geos(array)))


def test_numbers_that_are_none_are_left_out_of_the_bounds():
    nan = float("nan")
    array = column([Shape(2, ((nan, 1.0), (2.0, nan), (3.0, 5.0))), Shape(2, ((nan, nan), (nan, nan)))])
    np.testing.assert_array_equal(wkb.bounds(wkb.walk(array)), [[2, 1, 3, 5], [nan] * 4])


@given(columns, st.sampled_from([1, MANY]))
def test_mapping_moves_x_and_y_and_nothing_else(rows, repeats):
    array = column(rows * repeats)
    moved = wkb.map_xy(array, wkb.walk(array), lambda x, y: (y + 1, x * 2))
    expected = [None if row is None else encode(_moved(row)) for row in rows * repeats]
    assert moved.to_pylist() == expected
    moved.validate(full=True)


def _moved(shape):
    if isinstance(shape, Shape):
        return Shape(shape.base, tuple(_moved(part) for part in shape.parts), shape.dimension)
    if isinstance(shape[0], float):
        return (shape[1] + 1, shape[0] * 2, *shape[2:])
    return tuple(_moved(part) for part in shape)


def test_mapping_agrees_with_shapely_on_a_reprojection_like_function():
    rows = [
        Shape(3, (SQUARE, HOLE)),
        None,
        Shape(1, ()),
        Shape(2, ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)), 1),
    ] * 40
    array = column(rows)
    bent = wkb.map_xy(array, wkb.walk(array), lambda x, y: (np.cos(x) * y, np.sin(y)))
    expected = shapely.transform(
        geos(array),
        lambda xyz: np.column_stack([np.cos(xyz[:, 0]) * xyz[:, 1], np.sin(xyz[:, 1]), xyz[:, 2:]]),
        include_z=True,
    )
    assert shapely.equals_identical(geos(bent), expected)[array.is_valid().to_numpy(False)].all()


def test_the_function_never_sees_a_number_that_is_none():
    nan = float("nan")
    array = column([Shape(1, ()), Shape(2, ((nan, 1.0), (2.0, 3.0)))])
    seen = []

    def function(x, y):
        seen.append((x.tolist(), y.tolist()))
        return x, y + 1

    mapped = wkb.map_xy(array, wkb.walk(array), function)
    assert seen == [([2.0], [3.0])]
    assert mapped.to_pylist() == [encode(Shape(1, ())), encode(Shape(2, ((nan, 1.0), (2.0, 4.0))))]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
@pytest.mark.parametrize("rows", [[], [None, None]], ids=["no rows", "only nulls"])
def test_columns_without_geometry_have_nothing_in_them(rows, kind):
    array = pa.array(rows, kind)
    walked = wkb.walk(array)
    assert wkb.vertices(walked) == 0
    assert wkb.bounds(walked).shape == (len(rows), 4)
    assert np.isnan(wkb.bounds(walked)).all()
    assert (wkb.type_names(walked.types), wkb.ogc_geometry_type(walked.types)) == ((), "UNKNOWN")
    assert wkb.map_xy(array, walked, lambda x, y: (x, y)).equals(array)
    assert wkb.orient(array, walked) == (array, 0)
    assert wkb.linearise(array, walked) == (array, 0)


@pytest.mark.parametrize(
    ("codes", "names", "family", "measured"),
    [
        pytest.param([3, 3, 0], ("Polygon",), "POLYGON", False, id="one"),
        pytest.param([3, 1003], ("Polygon", "Polygon Z"), "POLYGON", False, id="dimensions"),
        pytest.param([6, 3], ("MultiPolygon", "Polygon"), "GEOMETRY", False, id="single and multi"),
        pytest.param([3002, 2001], ("LineString ZM", "Point M"), "GEOMETRY", True, id="measures"),
        pytest.param([2, 1016], ("LineString", "TIN Z"), "GEOMETRY", False, id="surfaces"),
    ],
)
def test_types_are_named_over_all_rows(codes, names, family, measured):
    codes = np.array(codes, np.uint32)
    assert (wkb.type_names(codes), wkb.ogc_geometry_type(codes), wkb.has_m(codes)) == (
        names,
        family,
        measured,
    )


POINT = encode(Shape(1, ((1.0, 2.0),)))
NESTED = encode(Shape(1, ((1.0, 2.0),)))
for _ in range(33):
    NESTED = struct.pack("<BII", 1, 7, 1) + NESTED


@pytest.mark.parametrize("good", [1, MANY])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(b"", "cut short", id="nothing"),
        pytest.param(POINT[:-1], "cut short: 1 points announced (byte 5 of 20)", id="cut point"),
        pytest.param(struct.pack("<BII", 1, 2, 2**32 - 1), "4294967295 points", id="points beyond the end"),
        pytest.param(struct.pack("<BII", 1, 3, 2**32 - 1), "4294967295 rings", id="rings beyond the end"),
        pytest.param(struct.pack("<BII", 1, 6, 2**32 - 1), "4294967295 parts", id="parts beyond the end"),
        pytest.param(struct.pack("<BIII", 1, 3, 1, 2**32 - 1), "4294967295 points", id="ring beyond the end"),
        pytest.param(struct.pack("<BII", 1, 13, 0), "type 13", id="abstract type"),
        pytest.param(struct.pack("<BII", 1, 4001, 0), "type 4001", id="unknown dimension"),
        pytest.param(struct.pack("<BII", 1, 2**32 - 1, 0), "type 4294967295", id="unknown type"),
        pytest.param(struct.pack(">BII", 0, 2, 0), "byte order 0", id="big-endian"),
        pytest.param(POINT + b"\0", "1 bytes follow", id="trailing byte"),
        pytest.param(struct.pack("<BII", 1, 6, 1) + POINT, "a Point may not stand here", id="wrong part"),
        pytest.param(NESTED, "nested deeper than 32", id="too deep"),
    ],
)
def test_unreadable_rows_are_refused_by_number_and_reason(good, bad, reason):
    array = pa.array([None, *[POINT] * good, bad, POINT, bad], pa.binary())
    with pytest.raises(GeometryUnreadableError) as caught:
        wkb.walk(array.slice(1))
    assert isinstance(caught.value, PermanentError)
    assert (caught.value.code, caught.value.row) == ("GEOMETRY_UNREADABLE", good)
    assert reason in str(caught.value)


@pytest.mark.parametrize("repeats", [1, MANY])
def test_nesting_up_to_the_limit_is_read(repeats):
    walked = wkb.walk(pa.array([NESTED[9:]] * repeats, pa.binary()))
    assert wkb.vertices(walked) == repeats


def test_counts_beyond_the_end_allocate_nothing():
    array = pa.array([struct.pack("<BII", 1, kind, 2**32 - 1) for kind in (2, 3, 6, 7)] * MANY, pa.binary())
    tracemalloc.start()
    with pytest.raises(GeometryUnreadableError):
        wkb.walk(array)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


def _calls(array: pa.Array) -> Counter[str]:
    """How often each function of the package runs in one walk."""
    calls: Counter[str] = Counter()

    def count(frame, event, _):
        if event == "call" and "formats/wkb" in frame.f_code.co_filename:
            calls[frame.f_code.co_name] += 1

    sys.setprofile(count)
    try:
        wkb.walk(array)
    finally:
        sys.setprofile(None)
    return calls


def test_a_geometry_of_100_000_parts_takes_one_call_for_each_token():
    parts = 100_000
    array = column([Shape(6, (Shape(3, (HOLE,)),) * parts)])
    calls = _calls(array)
    assert (calls["_geometry"], calls["_rings"], calls["_sequence"]) == (parts + 1, parts, parts)
    assert calls.total() < 3 * parts + 100


def test_many_rows_take_as_many_steps_as_the_longest_has_tokens():
    rows = [Shape(6, (Shape(3, (HOLE,)),) * (row % 50)) for row in range(50 * MANY)]
    assert _calls(column(rows))["step"] == 1 + 2 * 49


def test_a_giant_among_many_small_ones_is_found_whole():
    giant = Shape(6, (Shape(3, (SQUARE, HOLE)),) * 500)
    rows = [Shape(6, (Shape(3, (SQUARE, HOLE)),) * 3)] * MANY + [giant, None] + [Shape(3, (SQUARE,))] * MANY
    found = sequences(column(rows))
    assert Counter(row for row, *_ in found) == {
        row: sum(len(part.parts) for part in shape.parts) if shape.base == 6 else 1
        for row, shape in enumerate(rows)
        if shape
    }
    assert [entry[1:] for entry in found if entry[0] == MANY] == [
        entry[1:] for entry in sequences(column([giant]))
    ]


def _first_unreadable(values: list[bytes]) -> int | None:
    for row, value in enumerate(values):
        try:
            wkb.walk(wkb.normalise(pa.array([value], pa.binary())))
        except GeometryUnreadableError:
            return row
    return None


@given(st.lists(shapes(), min_size=1, max_size=4), st.data())
def test_damaged_bytes_are_read_or_refused_and_nothing_else(rows, data):
    values = [bytearray(encode(row)) for row in rows]
    for value in values:
        for _ in range(data.draw(st.integers(0, 3))):
            bit = data.draw(st.integers(0, 8 * len(value) - 1))
            value[bit // 8] ^= 1 << bit % 8
    values[0] = values[0][: data.draw(st.integers(0, len(values[0])))]
    values = [bytes(value) for value in values] * data.draw(st.sampled_from([1, MANY]))
    bad = _first_unreadable(values)
    if bad is not None:
        with pytest.raises(GeometryUnreadableError) as caught:
            wkb.walk(wkb.normalise(pa.array(values, pa.binary())))
        # Normalising looks through the whole column first, so it may name a later row than walking would.
        assert caught.value.row >= bad
        return
    array = wkb.normalise(pa.array(values, pa.binary()))
    walked = wkb.walk(array)
    wkb.bounds(walked)
    wkb.map_xy(array, walked, lambda x, y: (x, y))
    wkb.orient(array, walked)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_alike_alone_and_among_many(value):
    alone = _first_unreadable([value])
    array = pa.array([value] * MANY, pa.binary())
    if alone is None:
        assert wkb.walk(wkb.normalise(array)).rows == MANY
    else:
        with pytest.raises(GeometryUnreadableError, match="row 0 "):
            wkb.walk(wkb.normalise(array))
