"""The PostGIS engine: a run's table in a schema of its own, unlogged, gone with the run.

Only geometries meet PostgreSQL's types. Attributes ride beside them as Arrow IPC, chunk by chunk, and join them
again by row number: whatever Arrow holds comes out as it went in. What PostGIS would do otherwise than the
embedded engine is done here with that engine's own code, row by row.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import sql

from geoingest.engines.chunks import split
from geoingest.engines.geometry import Changes
from geoingest.engines.originals import Originals
from geoingest.engines.port import GEOMETRY, Applied, PartFacts
from geoingest.engines.postgis_apply import PartWork, Totals
from geoingest.engines.postgis_arrow import RowStream, copy_in, stream_out
from geoingest.engines.postgis_schemas import drop_schema, find_server
from geoingest.engines.postgis_tables import Part, RunTables, part_of
from geoingest.engines.reproject import target_crs
from geoingest.engines.tally import Tally
from geoingest.formats import wkb

if TYPE_CHECKING:
    from geoingest.recipes import Step

LOADED = pa.schema([("row", pa.int64()), ("code", pa.int32()), (GEOMETRY, pa.binary())])


class PostgisSpace:
    """The schema of one run. `scratch` and `work_dir` as the embedded engine has them: only originals lie there."""

    def __init__(self, *, dsn: str, run_id: str, scratch: Path, work_dir: Path, threads: int) -> None:
        self._dsn = dsn
        self._run_id = run_id
        self._tables = RunTables(find_server(dsn, run_id=run_id), run_id)
        self._scratch = scratch
        self._work_dir = work_dir
        self._threads = threads

    def write(
        self, part: int, *, schema: pa.Schema, crs: str, batches: Iterable[pa.RecordBatch]
    ) -> PartFacts:
        """Store one source under its number, replacing an earlier try; `crs` is its PROJJSON.

        Raises: PostgisUnavailableError, PostgisRefusedError.
        """
        tally, tables = Tally(), self._tables
        with tables.server.session() as session:
            tables.make_schema(session)
            table = tables.make(session, f"loaded_{part}", "row bigint, code int, geom bytea", bulky=GEOMETRY)
            tables.make(session, f"attributes_{part}", "first bigint, rows int, batch bytea", bulky="batch")
            rows = self._rows_of(session, part, split(batches), tally)
            copy_in(tables.server, schema=tables.schema, table=table, batches=rows, columns=LOADED)
            facts = PartFacts(rows=tally.rows, types=tally.types, bounds=tally.bounds)
            with session.transaction():
                tables.finish(session, f"loaded_{part}", f"attributes_{part}")
                tables.record(session, part_of(part, schema, crs, facts))
        return facts

    def apply(
        self, steps: Sequence[Step], *, names: Sequence[str], on_rows: Callable[[int], None]
    ) -> Applied:
        """Apply the steps to every part, in part order; `names` are the parts' names in messages.

        Raises: CrsMixedError: nothing reprojects, and the parts differ. A step's PermanentError, naming
            the source and the row. PostgisUnavailableError, PostgisRefusedError.
        """
        originals = Originals(self._work_dir / "repaired.parquet")
        totals = Totals(tally=Tally(), changes=Changes(steps), originals=originals, on_rows=on_rows)
        with self._tables.server.session() as session, originals:
            parts = self._tables.parts(session)
            target = target_crs(steps, [part.crs for part in parts], names)
            for part, name in zip(parts, names, strict=True):
                PartWork(
                    tables=self._tables,
                    session=session,
                    part=part,
                    name=name,
                    target=target,
                    steps=steps,
                    threads=self._threads,
                ).run(totals)
        return Applied(
            rows=totals.tally.rows,
            crs=target,
            bounds=totals.tally.bounds,
            types=totals.tally.types,
            effects=totals.changes.effects(),
            repaired=originals.keep(self._scratch),
            repaired_rows=originals.rows,
        )

    def read(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The transformed table in source order. Raises: PostgisUnavailableError, also while it is read."""
        with self._tables.server.session() as session:
            parts = self._tables.parts(session)
        return parts[0].schema, (batch for part in parts for batch in self._read_part(part))

    def drop(self) -> None:
        """Leave nothing; also right when there is nothing."""
        drop_schema(self._dsn, self._run_id)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _rows_of(
        self, session: psycopg.Connection, part: int, batches: Iterable[pa.RecordBatch], tally: Tally
    ) -> Iterator[pa.RecordBatch]:
        """The geometries for the loaded table; the attributes beside them are stored on the way."""
        insert = sql.SQL("INSERT INTO {} VALUES (%s, %s, %b)").format(
            self._tables.named(self._tables.unfinished(f"attributes_{part}"))
        )
        for batch in batches:
            walk = wkb.walk(wkb.normalise(batch.column(GEOMETRY)))
            first = tally.rows
            tally.add(walk)
            session.execute(insert, [first, batch.num_rows, _packed(batch)])
            rows = pa.array(np.arange(first, first + batch.num_rows))
            codes = pa.array(walk.types.astype(np.int32), mask=walk.types == 0)
            geometry = wkb.normalise(batch.column(GEOMETRY)).cast(pa.binary())
            yield pa.record_batch([rows, codes, geometry], schema=LOADED)

    def _read_part(self, part: Part) -> Iterator[pa.RecordBatch]:
        named = self._tables.named
        geometries = sql.SQL(
            "SELECT row, ST_AsBinary(geom, 'NDR') AS geom FROM {} WHERE wkb IS NULL"
            " UNION ALL SELECT row, geom FROM {} ORDER BY row"
        ).format(named(part.transformed), named(part.treated))
        chunks = sql.SQL("SELECT rows, batch FROM {} ORDER BY first").format(named(part.attributes))
        stream = RowStream(stream_out(self._tables.server, geometries))
        with self._tables.server.session() as session, session.cursor(binary=True) as cursor:
            for rows, packed in cursor.stream(chunks):
                column = wkb.normalise(stream.take(rows))
                column, _ = wkb.orient(column, wkb.walk(column))
                geometry = column.cast(part.schema.field(GEOMETRY).type)
                yield pa.RecordBatch.from_arrays([*_unpacked(packed), geometry], schema=part.schema)


def _packed(batch: pa.RecordBatch) -> bytes:
    """The attributes of a batch as an Arrow IPC stream of its own, its dictionaries included."""
    attributes = batch.drop_columns([GEOMETRY])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, attributes.schema) as writer:
        writer.write_batch(attributes)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _unpacked(packed: bytes) -> list[pa.Array]:
    [batch] = pa.ipc.open_stream(pa.py_buffer(packed))
    columns: list[pa.Array] = batch.columns
    return columns
