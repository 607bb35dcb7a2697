"""The ledger's port: documents in collections, with compare-and-set, unique indexes and transactions.

The vocabulary is the small part of MongoDB's that claims and commits need, so that the MongoDB adapter
is a pass-through and the SQLite adapter a translation. What the documents mean is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

# A stored document: JSON values and timezone-aware datetimes. A datetime comes back exact to the millisecond
# at least, as a datetime or as ISO 8601 text in UTC; the models read both.
Document = dict[str, Any]
# Dotted path to a value (equality) or to {"$in"|"$ne"|"$lt"|"$gt": value}; "$or" takes a list of filters.
Filter = Mapping[str, Any]
# Dotted path and 1 (ascending) or -1.
Sort = Sequence[tuple[str, int]]
T = TypeVar("T")


class DocumentInvalidError(Exception):
    """A document breaks the schema of its collection: a defect of the program, never the fault of an input."""


class Documents(Protocol):
    """One ledger. Every call is atomic; what a document's unique indexes speak of, the document has."""

    def insert_new(self, collection: str, document: Document) -> bool:
        """True when the document was stored, False when its key or another unique index is taken."""

    def find(
        self, collection: str, where: Filter, *, sort: Sort = (), limit: int | None = None
    ) -> list[Document]:
        """The matching documents in `sort` order; without one, in no promised order."""

    def update(self, collection: str, where: Filter, values: Mapping[str, Any]) -> int:
        """How many documents matched; each got `values` set (dotted paths) in one atomic step."""

    def delete(self, collection: str, where: Filter) -> int:
        """How many documents were removed."""

    def transact(self, work: Callable[[], T]) -> T:
        """What `work` returns; its writes become visible together, or not at all when it raises.

        `work` may be run several times, so it has no effect but on this ledger. Inside another `transact` it is
        part of that one. A MongoDB server that is no replica set has no transactions: there each write is
        visible at once and stays, so `work` writes in an order that may be cut anywhere (see `settling`).
        """

    def create(self, collection: str) -> None:
        """Make sure that the collection and its declared indexes exist."""

    def constrain(self, collection: str, schema: Mapping[str, Any]) -> None:
        """From now on refuse documents that break the `$jsonSchema`, where the store can check one."""

    def close(self) -> None:
        """Release the connection; the object is not usable afterwards."""
