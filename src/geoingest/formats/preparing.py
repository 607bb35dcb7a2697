"""What each format needs before its driver may open it: a table from format to its preparation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoingest.errors.source import FormatMismatch
from geoingest.formats.prepared import Prepared

if TYPE_CHECKING:
    from pathlib import Path

    from geoingest.formats.sniff import Sniffed


def prepare(path: Path, sniffed: Sniffed, *, encoding: str | None, name: str) -> Prepared:
    """The file as its driver may open it."""
    if sniffed.lane != "vector" or sniffed.driver is None:
        raise FormatMismatch(name=name, declared="vector", found=sniffed.format)
    return Prepared(path=path, driver=sniffed.driver)
