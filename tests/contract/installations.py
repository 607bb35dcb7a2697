"""Where a suite's runs live: stores, scratch, and how to look at them from outside. One class an installation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from e2e import home
from geoingest.runtime.platform import Platform, open_platform
from geoingest.settings import read_settings


class Installation(Protocol):
    """Any set of adapters: what the functions' processes are told, and what can be seen of them."""

    def variables(self) -> Mapping[str, str]:
        """The settings that lead a process here."""

    def documents(self, collection: str) -> list[dict[str, Any]]:
        """Every document of a collection of the ledger, by a client that is not ours."""

    def lake(self) -> dict[str, str]:
        """Key and `sha256:` hash of every object in the lake."""

    def transient(self) -> list[str]:
        """What there is of scratch space."""


@dataclass(frozen=True, slots=True)
class LocalInstallation:
    """A home folder: SQLite and directories."""

    folder: Path

    def variables(self) -> Mapping[str, str]:
        return {"GEOINGEST_HOME": str(self.folder)}

    def documents(self, collection: str) -> list[dict[str, Any]]:
        return home.documents(self.folder, collection)

    def lake(self) -> dict[str, str]:
        return home.lake(self.folder)

    def transient(self) -> list[str]:
        return [path.name for path in (self.folder / "scratch").glob("*")]


@contextmanager
def opened(installation: Installation) -> Iterator[Platform]:
    """The installation as this process works with it."""
    with open_platform(read_settings(installation.variables())) as platform:
        yield platform
