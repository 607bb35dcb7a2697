"""The tables of one run's schema: what they are called, how they come to be, what is recorded of each part.

`loaded_n` (row, ISO WKB code, WKB) and `attributes_n` (Arrow IPC by chunk) come from load; `transformed_n` (what
PostGIS did) and `treated_n` (what the function did) from transform; `parts` says what was loaded.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import pyarrow as pa
from psycopg import Connection, sql

from geoingest.engines.port import PartFacts
from geoingest.engines.postgis_schemas import Server
from geoingest.naming import schema_name

CRS_KEY = b"crs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One loaded source; `types` and `bounds` as in PartFacts, `crs` is PROJJSON."""

    number: int
    schema: pa.Schema
    crs: str
    types: tuple[int, ...]
    bounds: tuple[float, float, float, float] | None

    @property
    def loaded(self) -> str:
        """Columns row, code, geom."""
        return f"loaded_{self.number}"

    @property
    def attributes(self) -> str:
        """Columns first (row), rows, batch (an Arrow IPC stream)."""
        return f"attributes_{self.number}"

    @property
    def transformed(self) -> str:
        """Columns row, code, geom, simplified, wkb: see `fused_select`."""
        return f"transformed_{self.number}"

    @property
    def treated(self) -> str:
        """Columns row, geom (WKB)."""
        return f"treated_{self.number}"


class RunTables:
    """The schema of a run. Unlogged tables: a server that crashes empties them, and the run is tried again."""

    def __init__(self, server: Server, run_id: str) -> None:
        self.server = server
        self.schema = schema_name(run_id)
        # A table gets its name when it is whole: of two tries at once neither spoils the other's.
        self._try = secrets.token_hex(4)

    def named(self, table: str) -> sql.Identifier:
        """The table as a statement says it."""
        return sql.Identifier(self.schema, table)

    def unfinished(self, table: str) -> str:
        """What the table is called as long as this try works on it."""
        return f"{table}_{self._try}"

    def make_schema(self, session: Connection) -> None:
        """The schema and the table of parts are there."""
        session.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self.schema)))
        session.execute(
            sql.SQL(
                "CREATE UNLOGGED TABLE IF NOT EXISTS {} (number int PRIMARY KEY,"
                " header bytea NOT NULL, types int[] NOT NULL, bounds float8[])"
            ).format(self.named("parts"))
        )

    def make(self, session: Connection, table: str, columns: str, *, bulky: str) -> str:
        """A new table, empty and unfinished; its name. Args: bulky: the column of which compression saves little."""
        name = self.unfinished(table)
        session.execute(
            sql.SQL("CREATE UNLOGGED TABLE {} ({}) WITH (autovacuum_enabled = false)").format(
                self.named(name), sql.SQL(columns)
            )
        )
        session.execute(
            sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET STORAGE EXTERNAL").format(
                self.named(name), sql.Identifier(bulky)
            )
        )
        return name

    def finish(self, session: Connection, *tables: str) -> None:
        """Give tables that were unfinished their names; what was called so before goes."""
        for table in tables:
            session.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self.named(table)))
            session.execute(
                sql.SQL("ALTER TABLE {} RENAME TO {}").format(
                    self.named(self.unfinished(table)), sql.Identifier(table)
                )
            )

    def record(self, session: Connection, part: Part) -> None:
        """What was loaded, in place of what an earlier try loaded under that number."""
        header = part.schema.with_metadata({CRS_KEY: part.crs}).serialize().to_pybytes()
        bounds = None if part.bounds is None else list(part.bounds)
        session.execute(
            sql.SQL(
                "INSERT INTO {} VALUES (%s, %s, %s, %s) ON CONFLICT (number) DO UPDATE"
                " SET header = excluded.header, types = excluded.types, bounds = excluded.bounds"
            ).format(self.named("parts")),
            [part.number, header, list(part.types), bounds],
        )

    def parts(self, session: Connection) -> list[Part]:
        """What was loaded, in the order of the numbers."""
        rows = session.execute(
            sql.SQL("SELECT number, header, types, bounds FROM {} ORDER BY number").format(
                self.named("parts")
            ),
            binary=True,
        ).fetchall()
        return [_part(*row) for row in rows]


def part_of(number: int, schema: pa.Schema, crs: str, facts: PartFacts) -> Part:
    """What is recorded of a part that came to these facts."""
    return Part(number=number, schema=schema, crs=crs, types=facts.types, bounds=facts.bounds)


def _part(number: int, header: bytes, types: list[int], bounds: list[float] | None) -> Part:
    schema = pa.ipc.read_schema(pa.py_buffer(header))
    box = None
    if bounds is not None:
        west, south, east, north = bounds
        box = (west, south, east, north)
    crs = schema.metadata[CRS_KEY].decode()
    return Part(number=number, schema=schema.remove_metadata(), crs=crs, types=tuple(types), bounds=box)
