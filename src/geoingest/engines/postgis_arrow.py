"""Arrow batches into PostgreSQL tables and out of queries, through ADBC's COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import pyarrow as pa
from adbc_driver_manager.dbapi import Connection
from psycopg import sql

from geoingest.engines.postgis_schemas import SESSION, Server


def copy_in(
    server: Server, *, schema: str, table: str, batches: Iterable[pa.RecordBatch], columns: pa.Schema
) -> None:
    """Append the batches to a table whose columns are called and typed like theirs; all of them or none.

    Raises: whatever reading the batches raises, as it is; else what the server's refusal means.
    """
    fed = _Fed(batches)
    reader = pa.RecordBatchReader.from_batches(columns, fed)
    try:
        with _connected(server) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(table, reader, mode="append", db_schema_name=schema)
    except Exception:
        if fed.error is not None:
            raise fed.error from None
        raise


def stream_out(server: Server, query: sql.Composable) -> Iterator[pa.RecordBatch]:
    """The rows of a query as the server finds them, never all at once."""
    with _connected(server) as connection, connection.cursor() as cursor:
        cursor.execute(query.as_string())
        reader = cursor.fetch_record_batch()
        while (batch := _next(reader, server)) is not None:
            yield batch


class RowStream:
    """Batches of (row, geom), rows from 0 on without a gap, given out in any portions."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._left: pa.RecordBatch | None = None
        self._row = 0

    def take(self, rows: int) -> pa.Array:
        """The geometries of the next so many rows. Raises: RuntimeError: the rows are not the ones that follow."""
        pieces = []
        while rows:
            if self._left is None or self._left.num_rows == 0:
                self._left = next(self._batches, None)
                if self._left is None:
                    raise RuntimeError(f"the stored table ends before row {self._row}")
            piece = self._left.slice(0, rows)
            self._left = self._left.slice(piece.num_rows)
            numbers = np.arange(self._row, self._row + piece.num_rows)
            if not np.array_equal(piece.column(0).to_numpy(), numbers):
                raise RuntimeError(f"the stored table has a gap near row {self._row}")
            self._row += piece.num_rows
            rows -= piece.num_rows
            pieces.append(piece.column(1))
        return pa.concat_arrays(pieces) if pieces else pa.array([], pa.binary())


class _Fed:
    """An iterable that remembers what broke it: the driver would only pass on the words."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self.error: BaseException | None = None
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except BaseException as error:
            self.error = error
            raise


def _next(reader: pa.RecordBatchReader, server: Server) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except (OSError, pa.ArrowException):
        # Once rows flow, the driver's errors come without a SQLSTATE; what cannot be computed failed before.
        raise server.error(None) from None


@contextmanager
def _connected(server: Server) -> Iterator[Connection]:
    try:
        with adbc.connect(server.conninfo, autocommit=True) as connection:
            with connection.cursor() as cursor:
                for setting in SESSION:
                    cursor.execute(setting)
            yield connection
    except adbc_driver_manager.Error as error:
        raise server.error(error.sqlstate) from None
