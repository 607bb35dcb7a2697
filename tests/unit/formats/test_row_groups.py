from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoingest.formats.hilbert import point_keys
from geoingest.formats.row_groups import RowGroupCutter, RowGroupRule
from geoingest.formats.spatial_order import LAST

RULE = RowGroupRule(fewest=1000, most=3000, size_bytes=1_000_000)


def cut(keys, sizes, rule: RowGroupRule = RULE) -> list[int]:
    """Rows of all groups, the cutter being shown what `SpatialOrder.groups` would show it."""
    cutter = RowGroupCutter(rule)
    start, groups = 0, []
    while start < len(keys):
        window = slice(start, start + rule.most)
        groups.append(cutter(keys[window], sizes[window], len(keys) - start))
        start += groups[-1]
    return groups


def light(keys) -> np.ndarray:
    return np.full(len(keys), 10, np.uint32)


def uniform(generator, rows):
    return generator.uniform(0, 1, (rows, 2))


def clustered(generator, rows):
    """Settlements, a few large and many small, as buildings are."""
    weights = 1 / np.arange(1, 61)
    centres = generator.uniform(0, 1, (60, 2))[generator.choice(60, rows, p=weights / weights.sum())]
    return centres + generator.normal(0, 0.02, (rows, 2))


def overlapping_share(points, groups: list[int]) -> float:
    """Of consecutive groups, how many have boxes that share more than an edge."""
    parts = np.split(points, np.cumsum(groups)[:-1])
    boxes = np.array([[*part.min(axis=0), *part.max(axis=0)] for part in parts])
    a, b = boxes[:-1], boxes[1:]
    apart = (a[:, 2] <= b[:, 0]) | (b[:, 2] <= a[:, 0]) | (a[:, 3] <= b[:, 1]) | (b[:, 3] <= a[:, 1])
    return float((~apart).mean())


@pytest.mark.parametrize("make", [uniform, clustered])
def test_under_a_third_of_consecutive_groups_overlap_where_equal_groups_all_do(make):
    ours, equal = [], []
    for seed in range(8):
        points = make(np.random.default_rng(seed), 60_000)
        keys = point_keys(*points.T, (*points.min(axis=0), *points.max(axis=0)))
        order = np.argsort(keys, kind="stable")
        groups = cut(keys[order], light(keys))
        ours.append(overlapping_share(points[order], groups))
        equal.append(overlapping_share(points[order], [60_000 // len(groups)] * len(groups)))
    assert np.mean(ours) < 0.3
    assert np.mean(equal) > 0.9


@given(
    rows=st.integers(1, 20_000),
    seed=st.integers(0, 9),
    heavy=st.booleans(),
    unplaced=st.sampled_from([0, 0.3, 1]),
)
def test_groups_hold_all_rows_and_stay_within_the_rule(rows, seed, heavy, unplaced):
    generator = np.random.default_rng(seed)
    keys = generator.integers(0, LAST, rows, dtype=np.uint32)
    keys[generator.uniform(0, 1, rows) < unplaced] = LAST
    sizes = generator.integers(0, 2_000 if heavy else 200, rows, dtype=np.uint32)
    groups = cut(np.sort(keys), sizes)
    assert sum(groups) == rows
    assert all(part.sum() <= RULE.size_bytes for part in np.split(sizes, np.cumsum(groups)[:-1]))
    assert max(groups) <= RULE.most
    if not heavy:
        assert min(groups) >= min(rows, RULE.fewest)


def test_a_row_larger_than_a_group_is_a_group_of_its_own():
    sizes = np.array([10, 2_000_000, 10], np.uint32)
    assert cut(np.arange(3, dtype=np.uint32), sizes) == [1, 1, 1]


def test_rows_of_one_place_are_cut_by_number():
    keys = np.zeros(7000, np.uint32)
    assert cut(keys, light(keys)) == [1000, 1000, 1000, 1000, 1000, 2000]


@pytest.mark.parametrize(
    ("rows", "groups"),
    [pytest.param(2500, [2500], id="kept-whole"), pytest.param(2501, [1000, 1501], id="cut")],
)
def test_few_rows_stay_whole_until_there_is_a_choice_where_to_cut(rows, groups):
    keys = np.zeros(rows, np.uint32)
    assert cut(keys, light(keys)) == groups
