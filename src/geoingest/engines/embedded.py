"""The embedded engine: a run's table as Arrow files in its scratch folder. No server.

Parts are transformed chunk by chunk in a few threads, in order, so that memory does not grow with the
table and the result does not depend on which thread was faster. Files appear whole or not at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from geoingest.engines.chunks import split, transformed
from geoingest.engines.geometry import Changes, Chunk
from geoingest.engines.originals import Originals
from geoingest.engines.port import GEOMETRY, Applied, PartFacts
from geoingest.engines.reproject import target_crs, transform_between
from geoingest.engines.tally import Tally
from geoingest.formats import wkb

if TYPE_CHECKING:
    from geoingest.recipes import Step

CRS_KEY = b"crs"


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
            for batch, chunk in transformed(_chunks(parts), steps, threads=self._threads):
                tally.merge(chunk.tally)
                changes.add(chunk.changed)
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


@dataclass(frozen=True, slots=True)
class _Part:
    """One loaded source on its way to the target CRS."""

    name: str
    reader: pa.RecordBatchStreamReader
    target: str


def _chunks(parts: Iterable[_Part]) -> Iterator[tuple[pa.RecordBatch, Chunk]]:
    for part in parts:
        crs = _crs(part.reader.schema)
        transform = transform_between(crs, part.target)
        first = 0
        for batch in split(part.reader):
            column = batch.column(GEOMETRY)
            rows = np.arange(first, first + batch.num_rows)
            yield (
                batch,
                Chunk(source=column, column=column, crs=crs, transform=transform, name=part.name, rows=rows),
            )
            first += batch.num_rows


def _count(tally: Tally, column: pa.Array) -> None:
    tally.add(wkb.walk(wkb.normalise(column)))


def _crs(schema: pa.Schema) -> str:
    return str(schema.metadata[CRS_KEY].decode())
