from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoingest.formats.hilbert import cell_keys, key_cells, point_keys
from referees import spatial_duckdb


def textbook_key(x: int, y: int, bits: int) -> int:
    """`xy2d` of Wikipedia's "Hilbert curve", by moving the point instead of keeping the turns."""
    side = key = 1 << bits
    key = 0
    half = side >> 1
    while half:
        rx, ry = int(bool(x & half)), int(bool(y & half))
        key += half * half * ((3 * rx) ^ ry)
        if not ry:
            if rx:
                x, y = side - 1 - x, side - 1 - y
            x, y = y, x
        half >>= 1
    return key


def grid(bits: int):
    row, column = np.indices((1 << bits, 1 << bits), dtype=np.uint32)
    return column.ravel(), row.ravel()


@pytest.mark.parametrize("bits", range(1, 7))
def test_every_cell_of_a_grid_has_the_key_of_the_textbook(bits):
    column, row = grid(bits)
    expected = [textbook_key(x, y, bits) for x, y in zip(column.tolist(), row.tolist(), strict=True)]
    assert cell_keys(column, row, bits=bits).tolist() == expected


@given(st.lists(st.tuples(*[st.integers(0, 2**16 - 1)] * 2), min_size=1))
def test_keys_of_32_bits_are_those_of_the_textbook(cells):
    column, row = np.array(cells, np.uint32).T
    assert cell_keys(column, row).tolist() == [textbook_key(x, y, 16) for x, y in cells]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1))
def test_a_key_leads_back_to_its_cell(keys):
    column, row = key_cells(np.array(keys, np.uint32))
    assert cell_keys(column, row).tolist() == keys


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_curve_visits_every_cell_once_and_only_steps_to_neighbours(bits):
    column, row = grid(bits)
    order = np.argsort(cell_keys(column, row, bits=bits))
    assert np.array_equal(np.sort(cell_keys(column, row, bits=bits)), np.arange(4**bits))
    steps = np.abs(np.diff(column[order].astype(int))) + np.abs(np.diff(row[order].astype(int)))
    assert (steps == 1).all()


def test_points_outside_the_bounds_count_as_on_the_edge():
    x, y = np.array([-50.0, 0, 150, 100]), np.array([50.0, 50, 200, 100])
    outside_west, west, outside_north_east, north_east = point_keys(x, y, (0, 0, 100, 100)).tolist()
    assert (outside_west, outside_north_east) == (west, north_east)


def test_bounds_without_extent_give_every_point_one_key():
    assert point_keys(np.full(3, 7.0), np.full(3, 8.0), (7, 8, 7, 8)).tolist() == [0, 0, 0]


def test_across_the_antimeridian_the_curve_does_not_jump():
    x, y = np.array([179.0, -179.0]), np.array([0.0, 0.0])
    shifted = point_keys(np.array([179.0, 181.0]), y, (170, -10, 190, 10))
    assert point_keys(x, y, (170, -10, -170, 10)).tolist() == shifted.tolist()


def test_neighbours_in_our_order_are_as_near_as_in_the_order_of_duckdb():
    points = np.random.default_rng(7).uniform(0, 1, (20_000, 2))
    with spatial_duckdb() as connection:
        theirs = connection.execute(
            "SELECT ST_Hilbert(x, y, {min_x: 0, min_y: 0, max_x: 1, max_y: 1}::BOX_2D) FROM"
            " (SELECT unnest($1) AS x, unnest($2) AS y)",
            [points[:, 0].tolist(), points[:, 1].tolist()],
        ).fetchnumpy()
    ours = mean_step(points[np.argsort(point_keys(points[:, 0], points[:, 1], (0, 0, 1, 1)))])
    assert ours == pytest.approx(mean_step(points[np.argsort(next(iter(theirs.values())))]), rel=0.02)


def mean_step(points: np.ndarray) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).mean())
