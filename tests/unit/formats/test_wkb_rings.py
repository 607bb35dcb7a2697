from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geoingest.formats import wkb
from unit.formats.wkb_strategies import Shape, column, columns, encode

SHELL = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0), (0.0, 0.0))
HOLE = ((1.0, 1.0), (1.0, 2.0), (2.0, 2.0), (1.0, 1.0))


def oriented(array: pa.Array) -> tuple[pa.Array, int]:
    return wkb.orient(array, wkb.walk(array))


def test_columns_that_run_right_come_back_as_the_same_object():
    array = column([Shape(3, (SHELL, HOLE)), None, Shape(2, SHELL[::-1]), Shape(3, ())])
    again, reversed_rings = oriented(array)
    assert again is array
    assert reversed_rings == 0


def test_rings_that_run_wrong_are_reversed_and_counted_wherever_they_stand():
    wrong = Shape(3, (SHELL[::-1], HOLE[::-1]))
    right = Shape(3, (SHELL, HOLE))
    rows = [
        wrong,
        None,
        right,
        Shape(6, (right, wrong)),
        Shape(7, (Shape(6, (wrong,)), Shape(2, SHELL[::-1]))),
    ]
    expected = [
        right,
        None,
        right,
        Shape(6, (right, right)),
        Shape(7, (Shape(6, (right,)), Shape(2, SHELL[::-1]))),
    ]
    turned, reversed_rings = oriented(column(rows))
    assert turned.to_pylist() == column(expected).to_pylist()
    assert reversed_rings == 6


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_z_and_m_travel_with_their_point(dimension):
    extra = {1: 1, 2: 1, 3: 2}[dimension]
    ring = tuple((*xy, *range(i, i + extra)) for i, xy in enumerate(SHELL))
    turned, reversed_rings = oriented(column([Shape(3, (ring[::-1],), dimension), Shape(3, (SHELL[::-1],))]))
    assert turned.to_pylist() == [encode(Shape(3, (ring,), dimension)), encode(Shape(3, (SHELL,)))]
    assert reversed_rings == 2


@given(columns, st.sampled_from([1, 30]))
def test_rings_turn_only_when_they_ran_wrong_by_the_exact_area(rows, repeats):
    array = column(rows * repeats)
    turned, _ = oriented(array)
    before, after = wkb.walk(array), wkb.walk(turned)
    for start, count, dims, role in zip(before.start, before.count, before.dims, before.role, strict=True):
        old, new = (
            walked.data[start : start + 8 * dims * count].view("<f8").reshape(count, dims)
            for walked in (before, after)
        )
        if role == 0:
            np.testing.assert_array_equal(new, old)
        elif (new != old).any():
            np.testing.assert_array_equal(new, old[::-1])
            assert np.sign(_exact_area(old)) == (-1 if role == 1 else 1)
        elif abs(area := _exact_area(old)) > 1e-10 * np.ptp(old[:, :2], axis=0).max() ** 2:
            assert np.sign(area) == (1 if role == 1 else -1)


def _exact_area(ring: np.ndarray) -> float:
    from fractions import Fraction

    points = [(Fraction(x), Fraction(y)) for x, y in ring[:, :2].tolist()]
    return sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(points, points[1:] + points[:1], strict=True))


@given(columns)
def test_a_second_time_changes_nothing(rows):
    once, _ = oriented(column(rows))
    again, reversed_rings = oriented(once)
    assert again is once
    assert reversed_rings == 0


def test_orientation_is_that_of_geos_for_valid_polygons():
    rng = np.random.default_rng(1)
    discs = shapely.buffer(shapely.points(rng.uniform(-1e6, 1e6, (200, 2))), 10.0)
    rings = shapely.difference(discs, shapely.buffer(shapely.centroid(discs), 3.0))
    mixed = np.where(rng.random(200) < 0.5, shapely.reverse(rings), rings)
    array = pa.array(shapely.to_wkb(mixed, flavor="iso"), pa.binary())
    turned, reversed_rings = oriented(array)
    assert turned.to_pylist() == shapely.to_wkb(shapely.orient_polygons(mixed), flavor="iso").tolist()
    changed = sum(a != b for a, b in zip(turned.to_pylist(), array.to_pylist(), strict=True))
    assert 0 < changed < 200
    assert reversed_rings == 2 * changed


WANDERING = tuple(tuple(point) for point in np.random.default_rng(2).random((50, 2)).tolist())


@pytest.mark.parametrize(
    "ring",
    [
        pytest.param(((0.0, 0.0), (0.1, 0.1), (0.3, 0.3), (0.0, 0.0)), id="collinear"),
        pytest.param(((5.0, 5.0),) * 4, id="a point"),
        pytest.param(((0.0, 0.0), (2.0, 2.0), (2.0, 0.0), (0.0, 2.0), (0.0, 0.0)), id="a bow tie"),
        pytest.param((*WANDERING, *WANDERING[::-1]), id="there and back, where rounding leaves a rest"),
        pytest.param(((0.0, 0.0), (float("nan"), 1.0), (1.0, 0.0), (0.0, 0.0)), id="not a number"),
        pytest.param(((0.0, 0.0), (float("inf"), 1.0), (1.0, 0.0), (0.0, 0.0)), id="infinite"),
    ],
)
def test_rings_without_an_area_stay(ring):
    for points in (ring, ring[::-1]):
        array = column([Shape(3, (points,))])
        assert oriented(array) == (array, 0)


def test_small_rings_far_from_the_origin_keep_their_sign():
    far = tuple((5e6 + 1e-3 * x, 6e6 + 1e-3 * y) for x, y in SHELL)
    turned, reversed_rings = oriented(column([Shape(3, (far[::-1],))]))
    assert turned.to_pylist() == [encode(Shape(3, (far,)))]
    assert reversed_rings == 1
