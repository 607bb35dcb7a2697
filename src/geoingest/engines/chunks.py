"""Tables in pieces small enough to be cheap and large enough to amortise a call, worked on a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from geoingest.engines.geometry import Chunk, apply_steps

if TYPE_CHECKING:
    import pyarrow as pa

    from geoingest.recipes import Step

# Rows and bytes of one chunk: a few in flight are cheap.
CHUNK_ROWS = 8192
CHUNK_BYTES = 8 * 2**20


def split(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of at most CHUNK_ROWS rows and, where rows allow, CHUNK_BYTES bytes."""
    for batch in batches:
        rows = max(1, min(CHUNK_ROWS, CHUNK_BYTES * batch.num_rows // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def transformed(
    chunks: Iterable[tuple[pa.RecordBatch, Chunk]], steps: Sequence[Step], *, threads: int
) -> Iterator[tuple[pa.RecordBatch, Chunk]]:
    """The chunks after `steps`, each beside the batch it came from, in order."""
    ahead: deque[tuple[pa.RecordBatch, Future[Chunk]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="transform") as pool:
        for batch, chunk in chunks:
            ahead.append((batch, pool.submit(apply_steps, chunk, steps)))
            if len(ahead) > threads + 1:
                done, future = ahead.popleft()
                yield done, future.result()
        for done, future in ahead:
            yield done, future.result()
