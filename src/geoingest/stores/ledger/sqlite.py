"""The ledger in one SQLite file: the same port as MongoDB's, for a laptop and for tests.

Each collection is a table of (id, doc); `doc` is JSON and indexes are expression indexes over it.
Datetimes are stored as UTC text of fixed width, so that their order as text is their order in time.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geoingest.errors.run import LedgerUnavailableError
from geoingest.stores.ledger.collections import COLLECTIONS, Index
from geoingest.stores.ledger.documents import Document, Filter, Sort, T

# How long a writer waits for another process; a commit takes milliseconds, so this is a stuck one.
BUSY_TIMEOUT_S = 30.0
COMPARISONS = {"$lt": "<", "$gt": ">", "$ne": "IS NOT"}


class SqliteDocuments:
    """The ledger in the file at `path`, made when missing. Safe for several threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            # WAL lets readers go on while one process writes; FULL makes a reported success survive a power cut.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")

    def create(self, collection: str) -> None:
        """Make sure that the collection and its declared indexes exist."""
        with self._translated():
            self._execute(f'CREATE TABLE IF NOT EXISTS "{collection}" (id PRIMARY KEY, doc TEXT NOT NULL)')
            for index in COLLECTIONS[collection].indexes:
                self._execute(_index_ddl(collection, index))

    def constrain(self, collection: str, schema: Mapping[str, Any]) -> None:
        """Nothing: SQLite has no JSON schema, and nobody but geoingest writes into the file."""

    def insert_new(self, collection: str, document: Document) -> bool:
        """True when the document was stored, False when its key or another unique index is taken."""
        key = document[COLLECTIONS[collection].key]
        statement = f'INSERT INTO "{_known(collection)}" (id, doc) VALUES (?, ?) ON CONFLICT DO NOTHING'  # noqa: S608  a declared name
        with self._translated():
            return self._execute(statement, key, _encode(document)).rowcount == 1

    def find(
        self, collection: str, where: Filter, *, sort: Sort = (), limit: int | None = None
    ) -> list[Document]:
        """The matching documents in `sort` order; without one, in no promised order."""
        condition, values = _condition(where)
        order = ", ".join(f"{_path(field)} {'ASC' if way > 0 else 'DESC'}" for field, way in sort)
        statement = f'SELECT doc FROM "{_known(collection)}" WHERE {condition}'  # noqa: S608  values are bound
        statement += f" ORDER BY {order}" if order else ""
        statement += f" LIMIT {int(limit)}" if limit is not None else ""
        # Fetched under the lock: a cursor that is still open pins a snapshot, and when another process has written
        # since, the next write of this connection fails at once instead of waiting.
        with self._translated(), self._lock:
            return [json.loads(doc) for (doc,) in self._execute(statement, *values).fetchall()]

    def update(self, collection: str, where: Filter, values: Mapping[str, Any]) -> int:
        """How many documents matched; each got `values` set (dotted paths) in one atomic step."""
        condition, bound = _condition(where)
        setters = ", ".join("?, json(?)" for _ in values)
        changes = [part for path, value in values.items() for part in (f"$.{path}", _encode(value))]
        statement = f'UPDATE "{_known(collection)}" SET doc = json_set(doc, {setters}) WHERE {condition}'  # noqa: S608  values are bound
        with self._translated():
            return self._execute(statement, *changes, *bound).rowcount

    def delete(self, collection: str, where: Filter) -> int:
        """How many documents were removed."""
        condition, bound = _condition(where)
        with self._translated():
            return self._execute(f'DELETE FROM "{_known(collection)}" WHERE {condition}', *bound).rowcount  # noqa: S608  values are bound

    def transact(self, work: Callable[[], T]) -> T:
        """What `work` returns; its writes are committed together, or undone when it raises."""
        with self._lock:
            if self._connection.in_transaction:
                return work()
            with self._translated():
                # IMMEDIATE takes the write lock first: a reader that turns writer could deadlock.
                self._execute("BEGIN IMMEDIATE")
            try:
                result = work()
                with self._translated():
                    self._execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._execute("ROLLBACK")
                raise
            return result

    def close(self) -> None:
        """Release the connection; the object is not usable afterwards."""
        # Closing under another thread's statement would end the process.
        with self._lock:
            self._connection.close()

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        with self._lock:
            return self._connection.execute(statement, values)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerUnavailableError(ledger=self.path.name, reason=str(error)) from error


def _known(collection: str) -> str:
    return COLLECTIONS[collection].name


def _path(field: str) -> str:
    # Field names are the program's own; a quote in one would be a defect, not an input.
    assert "'" not in field  # noqa: S101
    return f"json_extract(doc, '$.{field}')"


def _index_ddl(collection: str, index: Index) -> str:
    name = f"{collection}_{'_'.join(index.fields)}"
    columns = ", ".join(_path(field) for field in index.fields)
    return f'CREATE {"UNIQUE " if index.unique else ""}INDEX IF NOT EXISTS "{name}" ON "{collection}" ({columns})'


def _condition(where: Filter) -> tuple[str, list[Any]]:
    clauses, values = ["1"], []
    for field, wanted in where.items():
        clause, bound = _clause(field, wanted)
        clauses.append(clause)
        values += bound
    return " AND ".join(clauses), values


def _clause(field: str, wanted: Any) -> tuple[str, list[Any]]:  # noqa: ANN401  any JSON value
    if field == "$or":
        parts = [_condition(option) for option in wanted]
        return "(" + " OR ".join(text for text, _ in parts) + ")", [v for _, bound in parts for v in bound]
    if not isinstance(wanted, Mapping):
        return f"{_path(field)} IS ?", [_scalar(wanted)]
    [(operator, operand)] = wanted.items()
    if operator == "$in":
        return f"{_path(field)} IN ({', '.join('?' for _ in operand)})", [_scalar(v) for v in operand]
    return f"{_path(field)} {COMPARISONS[operator]} ?", [_scalar(operand)]


def _scalar(value: Any) -> Any:  # noqa: ANN401  any JSON scalar
    return _text(value) if isinstance(value, datetime) else value


def _encode(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_text)


def _text(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"not a ledger value: {type(value).__name__}")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
