"""Arrow binary columns as one run of bytes, and back: the only place that knows Arrow's memory layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

UINT32: Final = np.dtype("<u4")
FLOAT64: Final = np.dtype("<f8")
XY: Final = np.dtype("<c16")
"""One point as a complex number, x + yj: numpy moves these unaligned, four times faster than records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """A column's memory without a copy: row i is `data[offsets[i]:offsets[i + 1]]` where `valid[i]`."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    valid: NDArray[np.bool_]


def view_buffers(column: pa.Array) -> Buffers:
    """The bytes of exactly this column's rows, also when it is a slice of a longer one."""
    _, offsets, data = column.buffers()
    width = np.int64 if pa.types.is_large_binary(column.type) else np.int32
    if len(column) == 0:
        bounds = np.zeros(1, np.int64)
    else:
        bounds = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1].astype(
            np.int64
        )
    content = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return Buffers(
        data=content[bounds[0] : bounds[-1]],
        offsets=bounds - bounds[0],
        valid=column.is_valid().to_numpy(zero_copy_only=False),
    )


def with_data(column: pa.Array, data: NDArray[np.uint8]) -> pa.Array:
    """The column with other bytes of the same layout, as `view_buffers(column).data` had them."""
    width = np.int64 if pa.types.is_large_binary(column.type) else np.int32
    offsets = view_buffers(column).offsets.astype(width)
    validity = column.is_valid().buffers()[1] if column.null_count else None
    return pa.Array.from_buffers(
        column.type, len(column), [validity, pa.py_buffer(offsets), pa.py_buffer(data)], column.null_count
    )


def with_rows(column: pa.Array, rows: NDArray[np.int64], values: list[bytes]) -> pa.Array:
    """The column with the values of these ascending rows replaced."""
    mask = np.zeros(len(column), np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), pa.array(values, column.type))


def strided(data: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A view with one `dtype` item at every byte: indexing it moves many unaligned items at once."""
    return np.ndarray((max(0, data.size - dtype.itemsize + 1),), dtype, data.data, strides=(1,))
