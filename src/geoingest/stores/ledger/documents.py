"""The ledger's port: documents in collections, with compare-and-set, unique indexes and transactions.

The vocabulary is the small part of MongoDB's that claims and commits need, so that the MongoDB adapter
is a pass-through and the SQLite adapter a translation. What the documents mean is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

# A stored document: JSON values and timezone-aware datetimes.
Document = dict[str, Any]
# Dotted path to a value (equality) or to {"$in"|"$ne"|"$lt"|"$gt": value}; "$or" takes a list of filters.
Filter = Mapping[str, Any]
# Dotted path and 1 (ascending) or -1.
Sort = Sequence[tuple[str, int]]


class DuplicateError(Exception):
    """A unique index already holds such a document; never leaves the ledger package."""


class Documents(Protocol):
    """One ledger. Every call is atomic; calls inside `transaction()` are visible together or not at all."""

    def insert(self, collection: str, document: Document) -> None:
        """Store a new document. Raises: DuplicateError: its key or another unique index is taken."""

    def insert_new(self, collection: str, document: Document) -> bool:
        """True when the document was stored, False when a unique index already holds such a one."""

    def find(
        self, collection: str, where: Filter, *, sort: Sort = (), limit: int | None = None
    ) -> list[Document]:
        """The matching documents in `sort` order; without one, in no promised order."""

    def update(self, collection: str, where: Filter, values: Mapping[str, Any]) -> int:
        """How many documents matched; each got `values` set (dotted paths) in one atomic step."""

    def delete(self, collection: str, where: Filter) -> int:
        """How many documents were removed."""

    def transaction(self) -> AbstractContextManager[None]:
        """A scope whose writes are committed at its end, or undone when it raises."""

    def create(self, collection: str) -> None:
        """Make sure that the collection and its declared indexes exist."""

    def close(self) -> None:
        """Release the connection; the object is not usable afterwards."""
