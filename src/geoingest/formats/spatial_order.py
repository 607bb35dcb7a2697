"""Rows in, the same rows out in the order of their keys, in memory that does not grow with their number.

Full buffers become sorted runs in one nameless spill file, gone when the process is, however it ends.
Output groups are cut from all runs at once: a binary search on the key finds how far each run takes part, so
the merge reads every run front to back and holds one group. Ties keep the input order, whatever the memory.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Final, Literal

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    Keys = NDArray[np.uint32]

LAST: Final = np.iinfo(np.uint32).max
"""The greatest key: rows without a place."""
_MOST_RUN_BYTES: Final = 1 << 30
"""Strings are addressed with 32-bit offsets: one run stays well below 2 GiB whatever the memory."""
_KEY: Final = "\x00key"
_SIZE: Final = "\x00size"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Consecutive input rows with their keys and sizes in key order; the rows too unless `order` says how."""

    keys: Keys
    sizes: Keys
    rows: pa.RecordBatch
    order: NDArray[np.int64] | None

    def read(self, span: slice) -> pa.RecordBatch:
        if self.order is not None:
            return self.rows.take(pa.array(self.order[span]))
        return self.rows.slice(span.start, span.stop - span.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Which rows of which run make one output group."""

    spans: tuple[slice, ...]


class SpatialOrder:
    """A stable external sort of record batches by a 32-bit key.

    Use as a context manager: `add` everything, then `cut` groups and `read` each. `read` may run in another
    thread than `cut`.
    """

    def __init__(self, *, work_dir: Path, memory_bytes: int) -> None:
        """Args: work_dir: a folder for the spill; memory_bytes: of rows held before they are spilled."""
        self._work_dir = work_dir
        self._limit_bytes = min(memory_bytes, _MOST_RUN_BYTES)
        self._buffer: list[pa.RecordBatch] = []
        self._buffer_bytes = 0
        self._spill: _Spill | None = None
        self._runs: list[_Run] = []
        self.rows = 0
        self.size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._buffer, self._runs = [], []
        if self._spill is not None:
            self._spill.close()

    def add(self, batch: pa.RecordBatch, *, keys: Keys, sizes: NDArray[np.int64]) -> None:
        """Take in rows. Args: sizes: bytes of each row, for the cut; all batches have one schema."""
        self.rows += batch.num_rows
        self.size_bytes += int(sizes.sum())
        sizes = np.minimum(sizes, LAST).astype(np.uint32)
        batch = batch.append_column(_KEY, pa.array(keys)).append_column(_SIZE, pa.array(sizes))
        if self._buffer and self._buffer_bytes + batch.nbytes > self._limit_bytes:
            self._spill_buffer()
        self._buffer.append(batch)
        self._buffer_bytes += batch.nbytes

    def cut(self, *, rows: int, size_bytes: int) -> Iterator[Group]:
        """Groups in key order, of at most `rows` rows and `size_bytes` bytes, but never without a row."""
        self._seal()
        starts = [0] * len(self._runs)
        while any(start < run.keys.size for start, run in zip(starts, self._runs, strict=True)):
            spans = self._within(_take(self._runs, starts, rows), size_bytes)
            yield Group(spans=spans)
            starts = [span.stop for span in spans]

    def read(self, group: Group) -> pa.RecordBatch:
        """The rows of a group in order, as one batch."""
        parts = [
            (run, span) for run, span in zip(self._runs, group.spans, strict=True) if span.stop > span.start
        ]
        batch = pa.concat_batches([run.read(span) for run, span in parts])
        if len(parts) > 1:
            keys = np.concatenate([run.keys[span] for run, span in parts])
            batch = batch.take(pa.array(np.argsort(keys, kind="stable")))
        if self._spill is not None:
            self._spill.forget_pages()
        return batch.select(batch.schema.names[:-2])

    def _within(self, spans: tuple[slice, ...], size_bytes: int) -> tuple[slice, ...]:
        """The spans, cut shorter where their rows in order would exceed the bytes."""
        keys = np.concatenate([run.keys[span] for run, span in zip(self._runs, spans, strict=True)])
        sizes = np.concatenate([run.sizes[span] for run, span in zip(self._runs, spans, strict=True)])
        if int(sizes.sum(dtype=np.int64)) <= size_bytes:
            return spans
        order = np.argsort(keys, kind="stable")
        fitting = int(np.searchsorted(np.cumsum(sizes[order], dtype=np.int64), size_bytes, side="right"))
        owners = np.repeat(np.arange(len(spans)), [span.stop - span.start for span in spans])
        counts = np.bincount(owners[order[: max(1, fitting)]], minlength=len(spans)).tolist()
        return tuple(slice(span.start, span.start + count) for span, count in zip(spans, counts, strict=True))

    def _spill_buffer(self) -> None:
        if self._spill is None:
            self._spill = _Spill(self._work_dir, self._buffer[0].schema)
        run = self._sorted_buffer()
        self._spill.write(run.read(slice(0, run.keys.size)))

    def _seal(self) -> None:
        """What is left in the buffer becomes the last run, in memory; the spilled ones are mapped."""
        spilled = self._spill.map() if self._spill is not None else []
        self._runs = [
            _Run(keys=_numbers(rows, _KEY), sizes=_numbers(rows, _SIZE), rows=rows, order=None)
            for rows in spilled
        ]
        if self._buffer:
            self._runs.append(self._sorted_buffer())

    def _sorted_buffer(self) -> _Run:
        """The buffer as a run; the buffer is empty after."""
        rows = pa.concat_batches(self._buffer)
        self._buffer, self._buffer_bytes = [], 0
        keys = _numbers(rows, _KEY)
        order = np.argsort(keys, kind="stable")
        return _Run(keys=keys[order], sizes=_numbers(rows, _SIZE)[order], rows=rows, order=order)


class _Spill:
    """Record batches in a nameless file: written one by one, then mapped, never copied."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._file: IO[bytes] = TemporaryFile(dir=folder, prefix="geoingest-", suffix=".arrow")  # noqa: SIM115 (closed by close)
        self._writer = pa.ipc.new_file(self._file, schema)
        self._map: mmap.mmap | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)
        pa.default_memory_pool().release_unused()

    def map(self) -> Sequence[pa.RecordBatch]:
        """All batches, their memory being the file's."""
        self._writer.close()
        self._file.flush()
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = pa.ipc.open_file(pa.py_buffer(self._map))
        return [reader.get_batch(number) for number in range(reader.num_record_batches)]

    def forget_pages(self) -> None:
        """Give mapped pages back to the system: read once, they would count as this process's memory."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """The file's space is free once the last batch that was mapped is gone."""
        self._map = None
        self._file.close()


def _numbers(rows: pa.RecordBatch, name: str) -> Keys:
    numbers: Keys = rows.column(name).to_numpy()
    return numbers


def _take(runs: Sequence[_Run], starts: Sequence[int], rows: int) -> tuple[slice, ...]:
    """The next `rows` rows of all runs in the order (key, run, position), as one span per run."""
    windows = [run.keys[start : start + rows] for run, start in zip(runs, starts, strict=True)]
    low, high = 0, LAST
    while low < high:
        middle = (low + high) // 2
        if _count(windows, middle, "right") >= rows:
            high = middle
        else:
            low = middle + 1
    missing = rows - _count(windows, low, "left")
    spans = []
    for window, start in zip(windows, starts, strict=True):
        below = _count([window], low, "left")
        ties = min(_count([window], low, "right") - below, missing)
        missing -= ties
        spans.append(slice(start, start + below + ties))
    return tuple(spans)


def _count(windows: Sequence[Keys], key: int, side: Literal["left", "right"]) -> int:
    """Rows below the key (`left`) or up to it (`right`)."""
    # A plain int would make numpy convert, and so copy, every window.
    return sum(int(np.searchsorted(window, np.uint32(key), side=side)) for window in windows)
