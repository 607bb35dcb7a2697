"""Rows in, the same rows out in the order of their keys, in memory that does not grow with their number.

Full buffers become sorted runs in one nameless spill file, gone when the process is, however it ends.
Output groups are cut from all runs at once: a binary search on the key finds how far each run takes part, so
the merge reads every run front to back and holds one group. Ties keep the input order, whatever the memory.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    Keys = NDArray[np.uint32]
    Chooser = Callable[[Keys, Keys, int], int]
    """Keys and sizes of the next rows in order and how many remain, to the rows of the next group."""

LAST: Final = np.iinfo(np.uint32).max
"""The greatest key: rows without a place."""
_MOST_RUN_BYTES: Final = 1 << 30
"""Strings are addressed with 32-bit offsets: one run stays well below 2 GiB whatever the memory."""
_PIECES: Final = 4
"""A buffer is spilled as so many runs, one after the other in key order: no second copy of it is made."""
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


class SpatialOrder:
    """A stable external sort of record batches by a 32-bit key.

    Use as a context manager: `add` everything, then take `groups`, once.
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
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        sizes = np.minimum(sizes, LAST).astype(np.uint32)
        batch = batch.append_column(_KEY, pa.array(keys)).append_column(_SIZE, pa.array(sizes))
        if self._buffer and self._buffer_bytes + batch.nbytes > self._limit_bytes:
            self._spill_buffer()
        self._buffer.append(batch)
        self._buffer_bytes += batch.nbytes

    def groups(self, *, most: int, choose: Chooser) -> Iterator[pa.RecordBatch]:
        """All rows in key order, a group at a time.

        Args: most: rows that `choose` is shown; it says how many of them make the group, at least 1.
        """
        self._seal()
        starts = [0] * len(self._runs)
        remaining = self.rows
        while remaining:
            spans = _next(self._runs, starts, min(most, remaining))
            keys = self._gathered(spans, lambda run: run.keys)
            order = np.argsort(keys, kind="stable")
            rows = choose(keys[order], self._gathered(spans, lambda run: run.sizes)[order], remaining)
            owners = np.repeat(np.arange(len(spans)), [span.stop - span.start for span in spans])
            counts = np.bincount(owners[order[:rows]], minlength=len(spans)).tolist()
            stops = [start + count for start, count in zip(starts, counts, strict=True)]
            yield self._read(tuple(map(slice, starts, stops)))
            starts, remaining = stops, remaining - rows

    def _read(self, spans: Sequence[slice]) -> pa.RecordBatch:
        parts = [(run, span) for run, span in zip(self._runs, spans, strict=True) if span.stop > span.start]
        batch = pa.concat_batches([run.read(span) for run, span in parts])
        if len(parts) > 1:
            batch = batch.take(pa.array(np.argsort(_numbers(batch, _KEY), kind="stable")))
        if self._spill is not None:
            self._spill.forget_pages()
        return batch.select(batch.schema.names[:-2])

    def _gathered(self, spans: Sequence[slice], numbers: Callable[[_Run], Keys]) -> Keys:
        return np.concatenate([numbers(run)[span] for run, span in zip(self._runs, spans, strict=True)])

    def _spill_buffer(self) -> None:
        if self._spill is None:
            self._spill = _Spill(self._work_dir, self._buffer[0].schema)
        run = self._sorted_buffer()
        piece = -(-run.keys.size // _PIECES)
        for start in range(0, run.keys.size, piece):
            self._spill.write(run.read(slice(start, min(start + piece, run.keys.size))))

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
        self._descriptor, name = mkstemp(dir=folder, prefix="geoingest-", suffix=".arrow")
        self._sink = pa.OSFile(name, "wb")
        Path(name).unlink()
        self._writer = pa.ipc.new_file(self._sink, schema)
        self._map: mmap.mmap | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def map(self) -> Sequence[pa.RecordBatch]:
        """All batches, their memory being the file's."""
        self._writer.close()
        self._sink.close()
        self._map = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
        reader = pa.ipc.open_file(pa.py_buffer(self._map))
        return [reader.get_batch(number) for number in range(reader.num_record_batches)]

    def forget_pages(self) -> None:
        """Give mapped pages back to the system: read once, they would count as this process's memory."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """The file's space is free once the last batch that was mapped is gone."""
        self._map = None
        self._sink.close()
        os.close(self._descriptor)


def _numbers(rows: pa.RecordBatch, name: str) -> Keys:
    numbers: Keys = rows.column(name).to_numpy()
    return numbers


def _next(runs: Sequence[_Run], starts: Sequence[int], rows: int) -> tuple[slice, ...]:
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
