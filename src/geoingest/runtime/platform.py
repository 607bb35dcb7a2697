"""What a process works with: settings and the adapters they choose. Composed once, at an entry point."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from geoingest.settings import Settings
from geoingest.stores.ledger.documents import Documents
from geoingest.stores.objects.port import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The settings and the stores of this process; `holder` names it in claims."""

    settings: Settings
    documents: Documents
    objects: ObjectStore
    holder: str


@contextmanager
def open_platform(settings: Settings) -> Iterator[Platform]:
    """The platform that the settings choose, its ledger brought up to date; closed at the end.

    Raises: LedgerUnavailableError, LedgerUriInvalidError, StoreAccessDeniedError.
    """
    from geoingest.stores.ledger.migrations import apply_migrations

    with open_documents(settings) as documents:
        apply_migrations(documents)
        yield Platform(
            settings=settings,
            documents=documents,
            objects=open_objects(settings),
            holder=f"{socket.gethostname()}/{os.getpid()}",
        )


@contextmanager
def open_documents(settings: Settings) -> Iterator[Documents]:
    """The ledger as it is, perhaps not up to date; closed at the end.

    Raises: LedgerUnavailableError, LedgerUriInvalidError.
    """
    documents = _mongo(settings.ledger_uri) if settings.ledger_uri else _sqlite(settings)
    try:
        yield documents
    finally:
        documents.close()


def open_objects(settings: Settings) -> ObjectStore:
    """The buckets. A laptop never loads what the others need: each adapter is imported when it is chosen."""
    if settings.object_store == "s3":
        from geoingest.stores.objects.s3 import S3Objects

        return S3Objects()
    from geoingest.stores.objects.directory import DirectoryObjects

    return DirectoryObjects(settings.home)


def _mongo(uri: str) -> Documents:
    from geoingest.stores.ledger.mongo import MongoDocuments

    return MongoDocuments(uri)


def _sqlite(settings: Settings) -> Documents:
    from geoingest.stores.ledger.sqlite import SqliteDocuments

    return SqliteDocuments(settings.ledger / "ledger.sqlite")
