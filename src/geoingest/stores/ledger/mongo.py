"""The ledger in MongoDB 5 or later: the port's calls passed through to one database.

A document's `_id` is its key. Writes are acknowledged by a majority, so that a claim that was won stays won when
another server becomes the primary; reads go to the primary. A replica set or a sharded cluster has transactions,
a lone server has not: `settling` says in which order it is written there, and what a reader may see meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import MongoClient, timeout
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from geoingest.errors.run import LedgerUnavailableError, LedgerUriInvalidError
from geoingest.stores.ledger.collections import COLLECTIONS
from geoingest.stores.ledger.documents import Document, DocumentInvalidError, Filter, Sort, T

DEFAULT_DATABASE = "geoingest"
# Long enough for an election (10 s at most by MongoDB's defaults), short enough for a broker's patience.
SELECTION_TIMEOUT_MS = 15_000
CONNECT_TIMEOUT_MS = 10_000
SOCKET_TIMEOUT_MS = 30_000
# pymongo would begin a transaction again for 120 s, twice a claim's lease.
TRANSACTION_TIMEOUT_S = 30
# Server error codes: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
NAMESPACE_EXISTS = 48
DOCUMENT_VALIDATION_FAILURE = 121
NO_ANSWER = "MongoDB does not answer"
REFUSALS = {
    13: "the user lacks a right that this needs",
    18: "the login was refused",
    50: NO_ANSWER,
    8000: "the login was refused",
}
RETRY = "TransientTransactionError"
MAJORITY = WriteConcern("majority")


class MongoDocuments:
    """The ledger in the database that the URI names (`geoingest` when it names none). Safe for several threads.

    Raises: LedgerUriInvalidError; LedgerUnavailableError: nobody answers, or the login is refused.
    """

    def __init__(self, uri: str) -> None:
        self._open = threading.local()
        try:
            self._client: MongoClient[Document] = MongoClient(
                uri,
                appname="geoingest",
                serverSelectionTimeoutMS=SELECTION_TIMEOUT_MS,
                connectTimeoutMS=CONNECT_TIMEOUT_MS,
                socketTimeoutMS=SOCKET_TIMEOUT_MS,
            )
        except (InvalidURI, ConfigurationError, ValueError):
            # No `from`: pymongo quotes parts of the URI.
            raise LedgerUriInvalidError from None
        codec: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
        self._database = self._client.get_default_database(
            DEFAULT_DATABASE, codec_options=codec, write_concern=MAJORITY
        )
        self._transactional = self._has_transactions()

    def create(self, collection: str) -> None:
        """Make sure that the collection and its declared indexes exist."""
        with self._translated():
            try:
                self._database.command("create", collection)
            except OperationFailure as error:
                if error.code != NAMESPACE_EXISTS:
                    raise
            for index in COLLECTIONS[collection].indexes:
                keys = [(field, 1) for field in index.fields]
                name = "_".join(index.fields)
                self._database[collection].create_index(keys, name=name, unique=index.unique)

    def constrain(self, collection: str, schema: Mapping[str, Any]) -> None:
        """From now on refuse documents that break the `$jsonSchema`. Needs the role `dbAdmin`."""
        with self._translated():
            self._database.command(
                "collMod",
                collection,
                validator={"$jsonSchema": schema},
                validationLevel="strict",
                validationAction="error",
            )

    def insert_new(self, collection: str, document: Document) -> bool:
        """True when the document was stored, False when its key or another unique index is taken."""
        stored = {"_id": document[COLLECTIONS[collection].key], **document}
        session = self._session
        with self._translated():
            # A duplicate would abort the whole transaction, so there it is looked for first.
            if session is not None and self._is_taken(collection, stored):
                return False
            try:
                self._collection(collection).insert_one(stored, session=session)
            except DuplicateKeyError:
                if session is None:
                    return False
                # It came after this transaction's snapshot; the next one sees it.
                raise PyMongoError("a unique index was taken meanwhile", error_labels=[RETRY]) from None
        return True

    def find(
        self, collection: str, where: Filter, *, sort: Sort = (), limit: int | None = None
    ) -> list[Document]:
        """The matching documents in `sort` order; without one, in no promised order."""
        with self._translated():
            found = self._collection(collection).find(
                _by_id(collection, where),
                projection={"_id": False},
                sort=list(sort) or None,
                limit=limit or 0,
                session=self._session,
            )
            return list(found)

    def update(self, collection: str, where: Filter, values: Mapping[str, Any]) -> int:
        """How many documents matched; each got `values` set (dotted paths) in one atomic step."""
        condition, into = _by_id(collection, where), self._collection(collection)
        # Drivers repeat a write to one document after a lost connection, and never one to many.
        change = into.update_one if _names_one(condition) else into.update_many
        with self._translated():
            return change(condition, {"$set": dict(values)}, session=self._session).matched_count

    def delete(self, collection: str, where: Filter) -> int:
        """How many documents were removed."""
        condition, from_ = _by_id(collection, where), self._collection(collection)
        remove = from_.delete_one if _names_one(condition) else from_.delete_many
        with self._translated():
            return remove(condition, session=self._session).deleted_count

    def transact(self, work: Callable[[], T]) -> T:
        """What `work` returns; its writes become visible together, or not at all when it raises.

        Run again when others wrote to the same documents meanwhile. Without transactions: run once, as it is.
        """
        if not self._transactional or self._session is not None:
            return work()
        with self._translated(), timeout(TRANSACTION_TIMEOUT_S), self._client.start_session() as session:
            self._open.session = session
            try:
                return session.with_transaction(
                    lambda _: work(), read_concern=ReadConcern("snapshot"), write_concern=MAJORITY
                )
            finally:
                self._open.session = None

    def close(self) -> None:
        """Release the connections; the object is not usable afterwards."""
        self._client.close()

    def _has_transactions(self) -> bool:
        try:
            with self._translated():
                hello = self._client.admin.command("hello")
        except LedgerUnavailableError:
            self._client.close()
            raise
        return "setName" in hello or hello.get("msg") == "isdbgrid"

    @property
    def _session(self) -> ClientSession | None:
        """The transaction that this thread is in."""
        return getattr(self._open, "session", None)

    def _collection(self, name: str) -> Collection[Document]:
        return self._database[COLLECTIONS[name].name]

    def _is_taken(self, collection: str, stored: Document) -> bool:
        unique = [index.fields for index in COLLECTIONS[collection].indexes if index.unique]
        taken = [{field: stored[field] for field in fields} for fields in (("_id",), *unique)]
        return self._collection(collection).find_one({"$or": taken}, session=self._session) is not None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if self._session is not None:
            # `with_transaction` has to see what happened: it decides by it whether to run the work again.
            yield
            return
        try:
            yield
        except PyMongoError as error:
            if isinstance(error, OperationFailure) and error.code == DOCUMENT_VALIDATION_FAILURE:
                raise DocumentInvalidError("a document breaks the schema of its collection") from error
            raise LedgerUnavailableError(ledger=self._database.name, reason=_reason(error)) from error


def _by_id(collection: str, where: Filter) -> dict[str, Any]:
    """The filter with the collection's key under the name that MongoDB indexes it by."""
    key = COLLECTIONS[collection].key
    return {
        "_id" if field == key else field: (
            [_by_id(collection, option) for option in wanted] if field == "$or" else wanted
        )
        for field, wanted in where.items()
    }


def _names_one(condition: Filter) -> bool:
    return "_id" in condition and not isinstance(condition["_id"], Mapping)


def _reason(error: PyMongoError) -> str:
    if isinstance(error, OperationFailure):
        return REFUSALS.get(error.code or 0, f"MongoDB refused the operation with code {error.code}")
    if isinstance(error, ConnectionFailure):
        return NO_ANSWER
    return f"MongoDB's driver failed with {type(error).__name__}"
