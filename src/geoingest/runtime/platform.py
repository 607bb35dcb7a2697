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
    """The platform of a local home, its ledger brought up to date; closed at the end.

    Raises: LedgerUnavailableError: the ledger's file cannot be opened or written.
    """
    from geoingest.stores.ledger.migrations import apply_migrations
    from geoingest.stores.ledger.sqlite import SqliteDocuments
    from geoingest.stores.objects.directory import DirectoryObjects

    documents = SqliteDocuments(settings.ledger / "ledger.sqlite")
    try:
        apply_migrations(documents)
        yield Platform(
            settings=settings,
            documents=documents,
            objects=DirectoryObjects(settings.home),
            holder=f"{socket.gethostname()}/{os.getpid()}",
        )
    finally:
        documents.close()
