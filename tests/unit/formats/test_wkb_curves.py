from __future__ import annotations

import math
import sqlite3
import struct

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geoingest.errors.geometry import GeometryUnreadableError
from geoingest.formats import wkb
from unit.formats.wkb_strategies import ORDINATES, Shape, column, encode, points, shapes

QUARTER = Shape(8, ((1.0, 0.0), (math.sqrt(0.5), math.sqrt(0.5)), (0.0, 1.0)))
HALF = Shape(8, ((0.0, 0.0), (1.0, 1.0), (2.0, 0.0)))
CIRCLE = Shape(8, ((3.0, 5.0), (7.0, 5.0), (3.0, 5.0)))
STRAIGHT = Shape(8, ((0.0, 0.0), (1.0, 1.0), (2.0, 2.0)))
BEND = Shape(9, (Shape(2, ((0.0, -1.0), (0.0, 0.0))), HALF, Shape(2, ((2.0, 0.0), (2.0, -1.0), (0.0, -1.0)))))
SQUARE = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0), (0.0, 0.0))
PLATE = Shape(10, (BEND, Shape(8, ((1.0, 0.0), (1.2, 0.0), (1.0, 0.0))), Shape(2, SQUARE)))


def linearised(array: pa.Array, **options) -> tuple[pa.Array, int]:
    return wkb.linearise(array, wkb.walk(array), **options)


def line_of(shape: Shape, **options) -> np.ndarray:
    linear, _ = linearised(column([shape]), **options)
    x, y = wkb.xy(wkb.walk(linear))
    return np.stack([x, y], 1)


def read_by_gdal(path, rows: list[Shape]) -> np.ndarray:
    """The rows as GDAL linearises them: a GeoPackage whose blobs hold our WKB, read without Arrow."""
    frame = np.array([shapely.to_wkb(shapely.Point(0, 0))] * len(rows), object)
    pyogrio.raw.write(
        path,
        frame,
        [],
        [],
        geometry_type="Unknown",
        crs="EPSG:25832",
        driver="GPKG",
        layer="t",
        layer_options={"SPATIAL_INDEX": "NO"},
    )
    with sqlite3.connect(path) as database:
        for number, row in enumerate(rows, 1):
            blob = b"GP\0\1" + struct.pack("<i", 25832) + encode(row)
            database.execute("UPDATE t SET geom = ? WHERE fid = ?", (blob, number))
    database.close()
    return shapely.from_wkb(pyogrio.raw.read(path)[2])


@pytest.mark.parametrize(
    ("arc", "centre", "radius", "angle"),
    [
        pytest.param(QUARTER, (0, 0), 1, 90, id="quarter"),
        pytest.param(Shape(8, QUARTER.parts[::-1]), (0, 0), 1, -90, id="quarter, clockwise"),
        pytest.param(HALF, (1, 0), 1, -180, id="half"),
        pytest.param(Shape(8, ((0.0, 0.0), (1.0, -1.0), (2.0, 0.0))), (1, 0), 1, 180, id="lower half"),
        pytest.param(
            Shape(8, ((2.0, 0.0), (1.0, -1.0), (0.0, 0.0))), (1, 0), 1, -180, id="lower half, clockwise"
        ),
        pytest.param(CIRCLE, (5, 5), 2, 360, id="circle"),
        pytest.param(Shape(8, ((1.0, 0.0), (-1.0, 0.0), (0.0, -1.0))), (0, 0), 1, 270, id="three quarters"),
    ],
)
@pytest.mark.parametrize("max_angle_deg", [4.0, 1.0, 50.0])
def test_arcs_lie_on_their_circle_in_steps_of_at_most_the_angle(arc, centre, radius, angle, max_angle_deg):
    line = line_of(arc, max_angle_deg=max_angle_deg) - centre
    np.testing.assert_allclose(np.hypot(*line.T), radius, rtol=1e-14)
    steps = np.degrees(np.diff(np.unwrap(np.arctan2(line[:, 1], line[:, 0]))))
    assert abs(steps).max() <= max_angle_deg * (1 + 1e-9)
    assert steps.sum() == pytest.approx(angle)
    assert (np.sign(steps) == np.sign(angle)).all()
    assert len(steps) <= math.ceil(abs(angle) / max_angle_deg) + 1


def test_a_half_circle_at_four_degrees_is_cut_into_even_halves_of_23_chords():
    assert len(line_of(HALF)) == 2 * 23 + 1
    assert len(line_of(CIRCLE)) == 2 * 45 + 1


@given(st.integers(0, 3), st.data())
def test_control_points_stay_exactly(dimension, data):
    count = 2 * data.draw(st.integers(1, 3)) + 1
    controls = data.draw(st.lists(points(dimension), min_size=count, max_size=count))
    linear, rows = linearised(column([Shape(8, tuple(controls), dimension)]))
    walked = wkb.walk(linear)
    line = walked.data[walked.start[0] :].view("<f8").reshape(-1, ORDINATES[dimension]).tolist()
    assert (line[0], line[-1], rows) == (list(controls[0]), list(controls[-1]), 1)
    rest = iter(line)
    assert all(list(point) in rest for point in controls)


@given(st.lists(points(1), min_size=3, max_size=3))
def test_both_directions_of_an_arc_give_the_same_points(controls):
    if controls[0][:2] == controls[2][:2]:
        return
    there, _ = linearised(column([Shape(8, tuple(controls), 1)]))
    back, _ = linearised(column([Shape(8, tuple(controls[::-1]), 1)]))
    forth = shapely.from_wkb(there[0].as_py())
    assert shapely.equals_identical(forth.reverse(), shapely.from_wkb(back[0].as_py()))


def test_z_and_m_run_evenly_between_the_control_points():
    ordinates = ((0.0, 100.0), (10.0, 50.0), (40.0, 0.0))
    arc = Shape(8, tuple((*xy, *zm) for xy, zm in zip(HALF.parts, ordinates, strict=True)), 3)
    line = shapely.from_wkb(linearised(column([arc]))[0][0].as_py())
    z, m = shapely.get_coordinates(line, include_z=True, include_m=True)[:, 2:].T
    np.testing.assert_allclose(z, [*np.linspace(0, 10, 24), *np.linspace(10, 40, 24)[1:]])
    np.testing.assert_allclose(m, np.concatenate([np.linspace(100, 50, 24), np.linspace(50, 0, 24)[1:]]))


@pytest.mark.parametrize(
    "controls",
    [
        pytest.param(STRAIGHT.parts, id="collinear"),
        pytest.param(((0.0, 0.0), (5.0, 5.0), (2.0, 2.0)), id="collinear beyond the end"),
        pytest.param(((1.0, 1.0),) * 3, id="a point"),
        pytest.param(((1.0, 1.0), (1.0, 1.0), (2.0, 3.0)), id="no way to the middle"),
        pytest.param(((0.0, 0.0), (float("nan"), 1.0), (2.0, 0.0)), id="not a number"),
        pytest.param(((0.0, 0.0), (float("inf"), 1.0), (2.0, 0.0)), id="infinite"),
        pytest.param(((0.0, 0.0), (1e300, 1e300), (2e300, 0.0)), id="beyond floating point"),
        pytest.param(
            ((0.0, 0.0), (1.2e154, 1.2e154), (1.3e154, 1.1e154)), id="its centre beyond floating point"
        ),
    ],
)
def test_arcs_without_a_circle_become_straight(controls):
    linear, rows = linearised(column([Shape(8, controls)]))
    assert (linear.to_pylist(), rows) == ([encode(Shape(2, controls))], 1)


TRIANGLE = ((0.0, 0.0, 1.0), (1.0, 0.0, 2.0), (1.0, 1.0, 3.0), (0.0, 0.0, 1.0))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        pytest.param(Shape(17, (TRIANGLE,), 1), Shape(3, (TRIANGLE,), 1), id="triangle"),
        pytest.param(
            Shape(16, (Shape(17, (TRIANGLE,), 1),) * 2, 1),
            Shape(6, (Shape(3, (TRIANGLE,), 1),) * 2, 1),
            id="TIN",
        ),
        pytest.param(
            Shape(15, (Shape(3, (TRIANGLE,), 1),), 1),
            Shape(6, (Shape(3, (TRIANGLE,), 1),), 1),
            id="polyhedral surface",
        ),
        pytest.param(
            Shape(12, (Shape(3, (SQUARE, SQUARE)), Shape(10, (Shape(2, SQUARE),)))),
            Shape(6, (Shape(3, (SQUARE, SQUARE)), Shape(3, (SQUARE,)))),
            id="multi surface",
        ),
        pytest.param(
            Shape(11, (Shape(2, SQUARE), Shape(9, (STRAIGHT, Shape(2, ((2.0, 2.0), (3.0, 0.0))))))),
            Shape(5, (Shape(2, SQUARE), Shape(2, (*STRAIGHT.parts, (3.0, 0.0))))),
            id="multi curve",
        ),
        pytest.param(
            Shape(7, (Shape(1, ((1.0, 2.0),)), Shape(7, (STRAIGHT, Shape(4, (Shape(1, ()),)))))),
            Shape(
                7, (Shape(1, ((1.0, 2.0),)), Shape(7, (Shape(2, STRAIGHT.parts), Shape(4, (Shape(1, ()),)))))
            ),
            id="collection",
        ),
        pytest.param(Shape(8, ()), Shape(2, ()), id="empty arc"),
        pytest.param(Shape(9, ()), Shape(2, ()), id="empty compound"),
        pytest.param(Shape(10, ()), Shape(3, ()), id="empty curve polygon"),
        pytest.param(Shape(12, (), 3), Shape(6, (), 3), id="empty surface"),
        pytest.param(
            Shape(9, (Shape(2, ((0.0, 0.0), (1.0, 0.0))), Shape(2, ((1.0, 0.1), (2.0, 0.0))))),
            Shape(2, ((0.0, 0.0), (1.0, 0.0), (1.0, 0.1), (2.0, 0.0))),
            id="compound with a gap",
        ),
    ],
)
def test_each_type_becomes_its_linear_one(shape, expected):
    linear, rows = linearised(column([shape]))
    assert (linear.to_pylist(), rows) == ([encode(expected)], 1)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
@pytest.mark.parametrize("repeats", [1, 40])
def test_rows_without_curves_keep_their_bytes(repeats, kind):
    rows = [Shape(3, (SQUARE,)), None, STRAIGHT, Shape(7, (Shape(1, ((1.0, 2.0),)),))] * repeats
    expected = [
        Shape(3, (SQUARE,)),
        None,
        Shape(2, STRAIGHT.parts),
        Shape(7, (Shape(1, ((1.0, 2.0),)),)),
    ] * repeats
    linear, changed = linearised(column(rows, kind))
    assert linear.to_pylist() == column(expected).to_pylist()
    assert (changed, linear.type) == (repeats, kind)


@given(st.lists(st.none() | shapes(), max_size=5))
def test_linear_columns_come_back_as_the_same_object(rows):
    array = column(rows)
    assert linearised(array) == (array, 0)
    assert linearised(array)[0] is array


def test_gdal_strokes_the_same_arcs(tmp_path):
    high = tuple((x, y, 10.0 * i) for i, (x, y) in enumerate(HALF.parts))
    lower = Shape(8, ((0.0, 0.0), (1.0, -1.0), (2.0, 0.0)))
    arcs = [QUARTER, HALF, lower, CIRCLE, STRAIGHT, BEND, PLATE, Shape(8, high, 1)]
    rows = [*arcs, Shape(11, (BEND, HALF)), Shape(12, (PLATE,))]
    theirs = read_by_gdal(tmp_path / "arcs.gpkg", rows)
    ours = shapely.from_wkb(np.array(linearised(column(rows))[0].to_pylist(), object))
    assert shapely.get_type_id(ours).tolist() == shapely.get_type_id(theirs).tolist()
    # Both are chords of at most 4 degrees, cut in different places: each strays from its circle, of radius 2
    # at most, by the sagitta of such a chord.
    sagitta = 2 * (1 - math.cos(math.radians(2)))
    assert shapely.hausdorff_distance(ours, theirs).max() < 2 * sagitta
    np.testing.assert_allclose(shapely.length(ours), shapely.length(theirs), rtol=5e-4)
    np.testing.assert_allclose(shapely.area(ours), shapely.area(theirs), rtol=2e-3)
    assert shapely.has_z(ours).tolist() == shapely.has_z(theirs).tolist()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_arc_strings_of_an_impossible_length_are_refused_by_row(count):
    array = column([None, Shape(7, (Shape(8, SQUARE[:count]),))])
    with pytest.raises(GeometryUnreadableError, match=f"row 1 .* CircularString of {count} points"):
        linearised(array)


def test_parts_of_one_curve_that_differ_in_dimension_are_refused():
    array = column([Shape(9, (Shape(2, ((0.0, 0.0, 1.0), (1.0, 0.0, 1.0)), 1),))])
    with pytest.raises(GeometryUnreadableError, match="differ in dimension"):
        linearised(array)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        pytest.param([0, 1, 2003, 3006], True, id="linear"),
        pytest.param([], True, id="nothing"),
        pytest.param([1, 8], False, id="arc"),
        pytest.param([1010], False, id="curve polygon with Z"),
        pytest.param([17], False, id="triangle"),
        pytest.param([7], False, id="a collection may hide a curve"),
    ],
)
def test_a_column_is_linear_when_no_type_can_hold_a_curve(codes, expected):
    assert wkb.is_linear(np.array(codes, np.uint32)) is expected


@given(st.data(), st.sampled_from([BEND, PLATE, Shape(12, (PLATE,)), Shape(7, (HALF, PLATE, Shape(16, ())))]))
def test_damaged_curves_are_stroked_or_refused_and_nothing_else(data, shape):
    value = bytearray(encode(shape))
    for _ in range(data.draw(st.integers(0, 4))):
        bit = data.draw(st.integers(0, 8 * len(value) - 1))
        value[bit // 8] ^= 1 << bit % 8
    try:
        array = wkb.normalise(pa.array([bytes(value)], pa.binary()))
        linear, _ = linearised(array)
    except GeometryUnreadableError:
        return
    assert not wkb.walk(linear).curved.any()
