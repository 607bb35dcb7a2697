"""The embedded engine: a run's table as Arrow files in its scratch folder. No server.

Parts are transformed chunk by chunk in a few threads, in order, so that memory does not grow with the
table and the result does not depend on which thread was faster. Files appear whole or not at all.
"""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from geoingest.engines.geometry import Changes, Chunk, apply_steps
from geoingest.engines.port import GEOMETRY, Applied, PartFacts
from geoingest.engines.reproject import transform_between
from geoingest.engines.tally import Tally
from geoingest.errors.geometry import CrsMixedError
from geoingest.formats import wkb
from geoingest.formats.crs import projjson, resolve_crs, same_crs
from geoingest.recipes import Reproject

if TYPE_CHECKING:
    from geoingest.recipes import Step

# Rows and bytes of one chunk: enough to amortise a call, small enough that a few in flight are cheap.
CHUNK_ROWS = 8192
CHUNK_BYTES = 8 * 2**20
CRS_KEY = b"crs"
REPAIRED_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("crs", pa.string()),
        (GEOMETRY, pa.binary()),
    ]
)


class EmbeddedSpace:
    """The scratch folder of one run; `work_dir` is private to the present try."""

    def __init__(self, *, scratch: Path, work_dir: Path, threads: int) -> None:
        self._scratch = scratch
        self._work_dir = work_dir
        self._threads = threads

    def write(
        self, part: int, *, schema: pa.Schema, crs: str, batches: Iterable[pa.RecordBatch]
    ) -> PartFacts:
        """Store one source under its number, replacing an earlier try; `crs` is its PROJJSON."""
        tally = Tally()
        stored = self._stored(f"loaded-{part}.arrow", schema.with_metadata({CRS_KEY: crs}))
        with stored as writer, ThreadPoolExecutor(1, thread_name_prefix="tally") as pool:
            counted: Future[None] | None = None
            for batch in batches:
                # Counting one batch while the next one is read; never more than one ahead.
                if counted is not None:
                    counted.result()
                counted = pool.submit(_count, tally, batch.column(GEOMETRY))
                writer.write_batch(batch)
            if counted is not None:
                counted.result()
        return PartFacts(rows=tally.rows, types=tally.types, bounds=tally.bounds)

    def apply(
        self, steps: Sequence[Step], *, names: Sequence[str], on_rows: Callable[[int], None]
    ) -> Applied:
        """Apply the steps to every part, in part order; `names` are the parts' names in messages.

        Raises: CrsMixedError: nothing reprojects, and the parts differ. A step's PermanentError, naming
            the source and the row.
        """
        readers = [self._open(f"loaded-{part}.arrow") for part in range(len(names))]
        schema = readers[0].schema
        target = target_crs(steps, [_crs(reader.schema) for reader in readers], names)
        parts = [_Part(name, reader, target) for name, reader in zip(names, readers, strict=True)]
        tally, changes = Tally(), Changes(steps)
        originals = Originals(self._work_dir / "repaired.parquet")
        with self._stored("transformed.arrow", schema.with_metadata({CRS_KEY: target})) as writer, originals:
            for batch, chunk in self._transformed(_chunks(parts), steps):
                tally.merge(chunk.tally)
                changes.add(chunk)
                originals.write(chunk)
                writer.write_batch(
                    batch.set_column(batch.num_columns - 1, schema.field(GEOMETRY), chunk.column)
                )
                on_rows(tally.rows)
        return Applied(
            rows=tally.rows,
            crs=target,
            bounds=tally.bounds,
            types=tally.types,
            effects=changes.effects(),
            repaired=originals.keep(self._scratch),
            repaired_rows=originals.rows,
        )

    def read(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The transformed table in source order."""
        reader = self._open("transformed.arrow")
        return reader.schema.remove_metadata(), iter(reader)

    def drop(self) -> None:
        """Leave nothing; also right when there is nothing."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _open(self, name: str) -> pa.RecordBatchStreamReader:
        # Read, not mapped: mapped pages would count as this process's memory.
        return pa.ipc.open_stream(pa.OSFile(str(self._scratch / name)))

    @contextmanager
    def _stored(self, name: str, schema: pa.Schema) -> Iterator[pa.RecordBatchStreamWriter]:
        partial = self._work_dir / name
        with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            yield writer
        partial.replace(self._scratch / name)

    def _transformed(
        self, chunks: Iterable[tuple[pa.RecordBatch, Chunk]], steps: Sequence[Step]
    ) -> Iterator[tuple[pa.RecordBatch, Chunk]]:
        """The chunks after `steps`, in order; a few are in work at a time."""
        ahead: deque[tuple[pa.RecordBatch, Future[Chunk]]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="transform") as pool:
            for batch, chunk in chunks:
                ahead.append((batch, pool.submit(apply_steps, chunk, steps)))
                if len(ahead) > self._threads + 1:
                    done, future = ahead.popleft()
                    yield done, future.result()
            for done, future in ahead:
                yield done, future.result()


@dataclass(frozen=True, slots=True)
class _Part:
    """One loaded source on its way to the target CRS."""

    name: str
    reader: pa.RecordBatchStreamReader
    target: str


class Originals:
    """A Parquet file of geometries as they were before repair; no file when nothing was repaired."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, chunk: Chunk) -> None:
        """Add the chunk's originals, in the CRS (PROJJSON) they were read in."""
        found = chunk.repaired
        if found is None:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, REPAIRED_SCHEMA, compression="zstd")
        count = len(found.rows)
        columns = ([chunk.name] * count, found.rows, found.reasons, [chunk.crs] * count, found.originals)
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, REPAIRED_SCHEMA, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=REPAIRED_SCHEMA))
        self.rows += count

    def keep(self, folder: Path) -> Path | None:
        """Where the finished file now is: in `folder`; null when nothing was repaired."""
        if self._writer is None:
            return None
        return self._path.replace(folder / self._path.name)

    def __enter__(self) -> None:
        """Nothing to open: the file is made with its first row."""

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()


def target_crs(steps: Sequence[Step], sources: Sequence[str], names: Sequence[str]) -> str:
    """The CRS (PROJJSON) of the transformed table: the reprojection's target, else the one CRS of all parts.

    Raises: CrsMixedError: no reprojection, and the parts differ.
    """
    for step in steps:
        if isinstance(step, Reproject):
            return json.dumps(projjson(resolve_crs(step.target)))
    for name, crs in zip(names, sources, strict=True):
        if not same_crs(resolve_crs(crs), resolve_crs(sources[0])):
            raise CrsMixedError(first=names[0], other=name)
    return sources[0]


def _chunks(parts: Iterable[_Part]) -> Iterator[tuple[pa.RecordBatch, Chunk]]:
    for part in parts:
        crs = _crs(part.reader.schema)
        transform = transform_between(crs, part.target)
        row = 0
        for batch in split(part.reader):
            column = batch.column(GEOMETRY)
            yield (
                batch,
                Chunk(source=column, column=column, crs=crs, transform=transform, name=part.name, row=row),
            )
            row += batch.num_rows


def split(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of at most CHUNK_ROWS rows and, where rows allow, CHUNK_BYTES bytes."""
    for batch in batches:
        rows = max(1, min(CHUNK_ROWS, CHUNK_BYTES * batch.num_rows // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _count(tally: Tally, column: pa.Array) -> None:
    tally.add(wkb.walk(wkb.normalise(column)))


def _crs(schema: pa.Schema) -> str:
    return str(schema.metadata[CRS_KEY].decode())
