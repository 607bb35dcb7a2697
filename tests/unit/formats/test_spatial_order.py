from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoingest.formats.spatial_order import LAST, SpatialOrder

KEYS = st.lists(st.sampled_from([0, 1, 2, 3, 1000, LAST - 1, LAST]) | st.integers(0, LAST), max_size=60)


def batches_of(keys: list[int], batch_rows: int) -> list[tuple[pa.RecordBatch, np.ndarray]]:
    """Rows named by their place in the input."""
    batch = pa.record_batch({"place": pa.array(range(len(keys)), pa.int32())})
    return [
        (batch.slice(start, batch_rows), np.array(keys[start : start + batch_rows], np.uint32))
        for start in range(0, len(keys), batch_rows)
    ]


def take_all(keys, sizes, remaining) -> int:
    return keys.size


def fill(order: SpatialOrder, keys: list[int], batch_rows: int) -> None:
    for batch, part in batches_of(keys, batch_rows):
        order.add(batch, keys=part, sizes=np.full(len(part), 4))


@given(
    keys=KEYS,
    batch_rows=st.integers(1, 20),
    memory_bytes=st.sampled_from([0, 50, 200, 10_000]),
    most=st.integers(1, 30),
)
def test_rows_come_out_as_a_stable_sort_would_have_them(
    tmp_path_factory, keys, batch_rows, memory_bytes, most
):
    folder = tmp_path_factory.mktemp("spill")
    with SpatialOrder(work_dir=folder, memory_bytes=memory_bytes) as order:
        fill(order, keys, batch_rows)
        groups = list(order.groups(most=most, choose=take_all))
    places = [place for group in groups for place in group["place"].to_pylist()]
    assert places == np.argsort(keys, kind="stable").tolist()
    assert all(group.num_rows == most for group in groups[:-1])


@given(keys=KEYS.filter(bool), batch_rows=st.integers(1, 20), memory_bytes=st.sampled_from([0, 10_000]))
def test_the_chooser_sees_the_next_rows_in_order_and_decides_how_many_are_taken(
    tmp_path_factory, keys, batch_rows, memory_bytes
):
    seen = []

    def take_a_third(keys, sizes, remaining):
        seen.append((keys.tolist(), remaining))
        return -(-keys.size // 3)

    with SpatialOrder(work_dir=tmp_path_factory.mktemp("spill"), memory_bytes=memory_bytes) as order:
        fill(order, keys, batch_rows)
        taken = [group.num_rows for group in order.groups(most=10, choose=take_a_third)]
    starts = np.cumsum([0, *taken])[:-1].tolist()
    assert seen == [(sorted(keys)[start : start + 10], len(keys) - start) for start in starts]


def test_the_spill_leaves_no_file_behind_while_it_is_used_and_after(tmp_path):
    with SpatialOrder(work_dir=tmp_path, memory_bytes=0) as order:
        fill(order, [3, 1, 2], 1)
        assert order._spill is not None
        assert list(tmp_path.iterdir()) == []


def test_a_buffer_within_the_memory_is_never_spilled(tmp_path):
    with SpatialOrder(work_dir=tmp_path / "does-not-exist", memory_bytes=1 << 20) as order:
        fill(order, [3, 1, 2], 1)
        [group] = order.groups(most=10, choose=take_all)
    assert group.to_pydict() == {"place": [1, 2, 0]}


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_empty_batches_change_nothing(tmp_path, memory_bytes):
    with SpatialOrder(work_dir=tmp_path, memory_bytes=memory_bytes) as order:
        [(batch, keys)] = batches_of([2, 1], 2)
        for part, part_keys in ((batch.slice(0, 0), keys[:0]), (batch, keys), (batch.slice(0, 0), keys[:0])):
            order.add(part, keys=part_keys, sizes=np.full(len(part_keys), 4))
        [group] = order.groups(most=10, choose=take_all)
    assert group.to_pydict() == {"place": [1, 0]}


def test_without_rows_there_are_no_groups(tmp_path):
    with SpatialOrder(work_dir=tmp_path, memory_bytes=0) as order:
        assert list(order.groups(most=10, choose=take_all)) == []
