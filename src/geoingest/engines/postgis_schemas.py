"""The PostGIS server as everybody sees it: sessions, its errors in our words, and the schemas of runs.

One schema a run, named from its id, is all that is ever made there; here is how it goes. Loads no Arrow: the
janitor works in an image without it. No exception raised here holds the DSN or the server's own text.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from geoingest.errors.postgis import PostgisDsnInvalidError, PostgisRefusedError, PostgisUnavailableError
from geoingest.naming import schema_name

# JIT costs more than it saves where the work is in PostGIS's functions (seen: a second of six). At the default price
# of handing a row from a worker to the leader, 0.1, the planner forgoes workers that halve the time.
SESSION = (
    "SET statement_timeout = '6h'",
    "SET lock_timeout = '30s'",
    "SET idle_in_transaction_session_timeout = '1h'",
    "SET client_connection_check_interval = '10s'",
    "SET client_min_messages = 'error'",
    "SET jit = off",
    "SET parallel_tuple_cost = 0",
)
CONNECT_TIMEOUT_S = 10
_SCHEMA = re.compile(r"run_[0-9a-f]{32}")

# By SQLSTATE or its class (its first two characters): what may be right the next time, and how it is said.
_PASSING = {
    "08": "the connection broke",
    "28": "the role may not log in, or its password is wrong",
    "3D": "there is no such database",
    "40": "the statement lost against another one",
    "53": "the server is out of connections, memory or disk space",
    "55P03": "a table stayed locked",
    "57": "the server stopped the statement, or shuts down",
    "58": "the server met an input/output error",
}
_LASTING = {
    "42501": "the role lacks a right",
    "42883": "a PostGIS function is missing",
    "42704": "a PostGIS type is missing",
    "54": "a value is larger than PostgreSQL holds",
}
_BROKEN = "it does not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where PostGIS is, and in whose name one comes; `name` is what may be shown of it."""

    name: str
    conninfo: str = field(repr=False)

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection]:
        """A connection in autocommit, set up. Raises: what `translate` makes of what goes wrong in the block."""
        with self.translated(), psycopg.connect(self.conninfo, autocommit=True) as connection:
            for setting in SESSION:
                connection.execute(setting.encode())
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of psycopg in the block become ours. Raises: PostgisUnavailableError, PostgisRefusedError."""
        try:
            yield
        except psycopg.Error as error:
            raise self.error(error.sqlstate) from None

    def error(self, sqlstate: str | None) -> PostgisUnavailableError | PostgisRefusedError:
        """What a SQLSTATE means for the run; null when the server said nothing."""
        if not sqlstate:
            return PostgisUnavailableError(server=self.name, reason=_BROKEN)
        passing = _PASSING.get(sqlstate) or _PASSING.get(sqlstate[:2])
        if passing:
            return PostgisUnavailableError(server=self.name, reason=passing)
        reason = _LASTING.get(sqlstate) or _LASTING.get(sqlstate[:2]) or "it is not one that it can do"
        return PostgisRefusedError(server=self.name, reason=reason, sqlstate=sqlstate)


def find_server(dsn: str, *, run_id: str | None = None) -> Server:
    """The server of a connection string; with `run_id` the server's lists of sessions name the run.

    Raises: PostgisDsnInvalidError.
    """
    try:
        parts = {"connect_timeout": CONNECT_TIMEOUT_S} | conninfo_to_dict(dsn)
        conninfo = make_conninfo("", **(parts | {"application_name": _application(run_id)}))
    except psycopg.Error:
        raise PostgisDsnInvalidError from None
    name = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
    return Server(name=name, conninfo=conninfo)


def list_run_schemas(dsn: str) -> list[str]:
    """The ids of the runs that have a schema, sorted."""
    with find_server(dsn).session() as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'run\\_%'").fetchall()
    return sorted(str(uuid.UUID(name[len("run_") :])) for (name,) in found if _SCHEMA.fullmatch(name))


def drop_schema(dsn: str, run_id: str) -> None:
    """Nothing of the run is left on the server, whoever is still at work there; also right when nothing was."""
    schema = schema_name(run_id)
    with find_server(dsn).session() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s"
            " AND usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()",
            [_application(run_id)],
        )
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]
        ).fetchall()
        # One by one: each takes a few of the locks that a transaction has a limited number of.
        for (table,) in tables:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(schema, table)))
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def examine_server(dsn: str) -> str:
    """Where the server is and the version of its PostGIS; the role can make schemas.

    Raises: PostgisUnavailableError, PostgisRefusedError: also for a missing right, or no PostGIS 3.2.
    """
    server = find_server(dsn)
    with server.session() as connection:
        found = connection.execute(
            "SELECT has_database_privilege(current_database(), 'CREATE'),"
            " (SELECT extversion FROM pg_extension WHERE extname = 'postgis')"
        ).fetchone()
    may_create, version = found or (False, None)
    if not may_create:
        raise server.error("42501")
    if version is None:
        raise server.error("42883")
    return f"{server.name}, PostGIS {version}"


def _application(run_id: str | None) -> str:
    return f"geoingest {run_id}" if run_id else "geoingest"
