"""A recipe's steps over one loaded part: one CREATE TABLE AS for what PostGIS does, the rest in this process."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
from psycopg import sql

from geoingest.engines.chunks import split, transformed
from geoingest.engines.geometry import Changes, Chunk
from geoingest.engines.originals import Originals
from geoingest.engines.port import GEOMETRY
from geoingest.engines.postgis_arrow import copy_in, stream_out
from geoingest.engines.postgis_places import find_srids
from geoingest.engines.postgis_statements import FIRST_MULTI, MULTI_OFFSET, PER_DIMENSION, Srids, fused_select
from geoingest.engines.postgis_tables import Part, RunTables
from geoingest.engines.reproject import Transform, transform_between
from geoingest.engines.tally import Tally
from geoingest.recipes import PromoteMulti, Reproject, Simplify, Step

if TYPE_CHECKING:
    Box = tuple[float, float, float, float]

TREATED = pa.schema([("row", pa.int64()), (GEOMETRY, pa.binary())])
WATCH_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over the parts of a run, and who is told of them."""

    tally: Tally
    changes: Changes
    originals: Originals
    on_rows: Callable[[int], None]

    def report(self) -> None:
        """Tell how far it is. Raises: what stops the run."""
        self.on_rows(self.tally.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Rows of one ISO WKB code as loaded (null: no geometry); `left` ones are the function's. Box in the target CRS."""

    code: int | None
    left: bool
    rows: int
    simplified: int
    box: Box | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWork:
    """Everything about one part's way from loaded to transformed."""

    tables: RunTables
    session: psycopg.Connection
    part: Part
    name: str
    target: str
    steps: Sequence[Step]
    threads: int

    def run(self, totals: Totals) -> None:
        """The part's transformed and treated tables are there and counted.

        Raises: a step's PermanentError, naming the source and the row.
        """
        transform = transform_between(self.part.crs, self.target)
        srids = find_srids(self.session, self.part, self.target, transform)
        groups = None if srids is None else self._fuse(srids, totals)
        self.tables.make(self.session, self.part.treated, "row bigint, geom bytea", bulky=GEOMETRY)
        if groups is None:
            self._make_transformed(Srids(), totals, nothing=True)
            self._treat(self._everything, transform, totals)
        else:
            self._count(groups, totals, moved=transform is not None)
            if any(group.left for group in groups):
                self._treat(self._left_by_postgis, transform, totals)
        with self.session.transaction():
            self.tables.finish(self.session, self.part.transformed, self.part.treated)
        totals.report()

    def _fuse(self, srids: Srids, totals: Totals) -> list[_Group] | None:
        """What PostGIS came to; null when there is a geometry that it cannot read or place."""
        try:
            self._make_transformed(srids, totals)
        except (psycopg.errors.InternalError_, psycopg.DataError):
            return None
        groups = self._groups()
        if all(group.box is None or all(map(math.isfinite, group.box)) for group in groups):
            return groups
        self.session.execute(sql.SQL("DROP TABLE {}").format(self._transformed))
        return None

    def _make_transformed(self, srids: Srids, totals: Totals, *, nothing: bool = False) -> None:
        select = fused_select(self.tables.named(self.part.loaded), self.steps, srids)
        statement = sql.SQL(
            "CREATE UNLOGGED TABLE {} WITH (autovacuum_enabled = false) AS SELECT * FROM ({}) AS fused{}"
        ).format(self._transformed, select, sql.SQL(" WHERE false" if nothing else ""))
        execute_watched(self.session, statement, totals.report)

    def _groups(self) -> list[_Group]:
        # ST_3DExtent, as ST_Extent goes by cached boxes, which are rounded to float32.
        rows = self.session.execute(
            sql.SQL(
                "SELECT code, is_left, rows, simplified, ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box)"
                " FROM (SELECT code, wkb IS NOT NULL AS is_left, count(*) AS rows,"
                " count(*) FILTER (WHERE simplified) AS simplified, ST_3DExtent(geom) AS box"
                " FROM {} GROUP BY 1, 2) AS groups"
            ).format(self._transformed)
        ).fetchall()
        return [
            _Group(
                code=code,
                left=left,
                rows=count,
                simplified=simplified,
                box=None if west is None else (west, south, east, north),
            )
            for code, left, count, simplified, west, south, east, north in rows
        ]

    def _count(self, groups: Iterable[_Group], totals: Totals, *, moved: bool) -> None:
        for group in groups:
            if group.left:
                continue
            code, changed = group.code, {}
            for step in self.steps:
                match step:
                    case PromoteMulti() if code is not None and code % PER_DIMENSION < FIRST_MULTI:
                        code += MULTI_OFFSET
                        changed[step.name] = group.rows
                    case Reproject() if code is not None and moved:
                        changed[step.name] = group.rows
                    case Simplify():
                        changed[step.name] = group.simplified
            totals.changes.add(changed)
            totals.tally.add_rows(group.rows, code=code, box=group.box)

    def _treat(self, query: sql.Composable, transform: Transform | None, totals: Totals) -> None:
        """The rows of a query (row, geom) through the embedded engine's code, into the treated table."""
        chunks = self._chunks(stream_out(self.tables.server, query), transform)

        def treated() -> Iterator[pa.RecordBatch]:
            for batch, chunk in transformed(chunks, self.steps, threads=self.threads):
                totals.tally.merge(chunk.tally)
                totals.changes.add(chunk.changed)
                totals.originals.write(chunk)
                yield batch.set_column(1, TREATED.field(GEOMETRY), chunk.column)
                totals.report()

        copy_in(
            self.tables.server,
            schema=self.tables.schema,
            table=self.tables.unfinished(self.part.treated),
            batches=treated(),
            columns=TREATED,
        )

    def _chunks(
        self, batches: Iterator[pa.RecordBatch], transform: Transform | None
    ) -> Iterator[tuple[pa.RecordBatch, Chunk]]:
        for batch in split(batches):
            column = batch.column(GEOMETRY)
            yield (
                batch,
                Chunk(
                    source=column,
                    column=column,
                    crs=self.part.crs,
                    transform=transform,
                    name=self.name,
                    rows=batch.column("row").to_numpy(),
                ),
            )

    @property
    def _left_by_postgis(self) -> sql.Composed:
        return sql.SQL("SELECT row, wkb AS geom FROM {} WHERE wkb IS NOT NULL ORDER BY row").format(
            self._transformed
        )

    @property
    def _everything(self) -> sql.Composed:
        return sql.SQL("SELECT row, geom FROM {} ORDER BY row").format(self.tables.named(self.part.loaded))

    @property
    def _transformed(self) -> sql.Identifier:
        return self.tables.named(self.tables.unfinished(self.part.transformed))


def execute_watched(
    session: psycopg.Connection, statement: sql.SQL | sql.Composed, report: Callable[[], None]
) -> None:
    """Execute a statement that may take long, calling `report` all the while; when that raises, the statement stops."""
    with ThreadPoolExecutor(1, thread_name_prefix="statement") as pool:
        running = pool.submit(lambda: session.execute(statement))
        try:
            while wait([running], timeout=WATCH_EVERY_S).not_done:
                report()
        except BaseException:
            session.cancel_safe()
            raise
        running.result()
