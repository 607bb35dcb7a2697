from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from geoingest.formats.row_sizes import row_sizes

NESTED = pa.list_(pa.struct([("name", pa.string()), ("height", pa.float64())]))


@pytest.mark.parametrize(
    ("array", "sizes"),
    [
        pytest.param(pa.array([1, None], pa.int64()), [8, 8], id="integer"),
        pytest.param(pa.array([True, None]), [1, 1], id="boolean"),
        pytest.param(pa.array(["ä", None, ""]), [6, 4, 4], id="string"),
        pytest.param(pa.array([b"abc"], pa.large_binary()), [7], id="large-binary"),
        pytest.param(pa.array([b"abcd"], pa.binary(4)), [4], id="fixed-size-binary"),
        pytest.param(pa.array([date(2024, 1, 1)]), [4], id="date"),
        pytest.param(pa.nulls(2), [0, 0], id="null"),
        pytest.param(pa.array([[1, 2], None, []], pa.list_(pa.int32())), [12, 4, 4], id="list"),
        pytest.param(pa.array([[1, 2]], pa.list_(pa.int32(), 2)), [12], id="fixed-size-list"),
        pytest.param(pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int8())), [10, 4], id="map"),
        pytest.param(
            pa.array([[{"name": "ab", "height": 1.0}], None, [{"name": None, "height": None}] * 2], NESTED),
            [18, 4, 28],
            id="list-of-struct",
        ),
        pytest.param(pa.array(["{}"], pa.json_()), [6], id="extension"),
    ],
)
def test_a_row_costs_what_its_values_hold(array, sizes):
    batch = pa.record_batch({"x": array, "y": pa.array([0] * len(array), pa.int8())})
    assert row_sizes(batch).tolist() == [size + 1 for size in sizes]
    assert row_sizes(batch.slice(1)).tolist() == [size + 1 for size in sizes[1:]]
