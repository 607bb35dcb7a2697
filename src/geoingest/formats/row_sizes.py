"""How many bytes each row of an Arrow array holds, the same however the rows are cut into batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sizes = NDArray[np.int64]

_OFFSET_BYTES: Final = 4


def row_sizes(batch: pa.RecordBatch) -> Sizes:
    """Uncompressed bytes per row over all columns; null values cost their slot."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        sizes += _sizes(column)
    return sizes


def _sizes(array: pa.Array) -> Sizes:
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _sizes(array.storage)
    if pa.types.is_struct(kind):
        return sum((_sizes(child) for child in array.flatten()), np.zeros(len(array), np.int64))
    if pa.types.is_map(kind) or pa.types.is_nested(kind):
        return _list_sizes(array)
    if _has_length(kind):
        return _lengths(pc.binary_length(array)) + _OFFSET_BYTES
    width = 0 if pa.types.is_null(kind) else -(-kind.bit_width // 8)
    return np.full(len(array), width, np.int64)


def _list_sizes(array: pa.Array) -> Sizes:
    """Lists and maps: a row costs what its elements cost."""
    if pa.types.is_map(array.type):
        array = array.cast(pa.list_(pa.struct([array.type.key_field, array.type.item_field])))
    lengths = _lengths(pc.list_value_length(array))
    ends = np.zeros(int(lengths.sum()) + 1, np.int64)
    np.cumsum(_sizes(pc.list_flatten(array)), out=ends[1:])
    last = np.cumsum(lengths)
    sizes: Sizes = ends[last] - ends[last - lengths] + _OFFSET_BYTES
    return sizes


def _lengths(lengths: pa.Array) -> Sizes:
    """Null counts as nothing."""
    return np.asarray(pc.fill_null(lengths, 0), np.int64)


def _has_length(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in checks)
