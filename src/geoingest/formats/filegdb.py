"""A file geodatabase made ready for GDAL: every table whole. GDAL shows a table that it cannot open as an empty layer.

Source: "FGDB Spec", reverse engineered by Even Rouault, https://github.com/rouault/dump_gdbtable/wiki/FGDB-Spec.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from geoingest.errors.source import SourceUnreadableError
from geoingest.formats.prepared import Prepared

if TYPE_CHECKING:
    from pathlib import Path

_TABLE_HEADER = struct.Struct("<II16xQ8x")
_INDEX_HEADER = struct.Struct("<IIII")
_SIGNATURE = 3
_LARGE_SIGNATURE = 4
# Row offsets per block of the index.
_BLOCK_ROWS = 1024
# Tables up to this number describe the others.
_LAST_SYSTEM_TABLE = 8
_TABLE_NAME = re.compile(r"a([0-9a-f]{8})\.gdbtable", re.IGNORECASE)


def prepare_filegdb(path: Path, *, name: str) -> Prepared:
    """The geodatabase as GDAL may read it.

    Raises: SourceUnreadableError: a table or its index is cut off, or gone.
    """
    rows = {}
    for table in sorted(path.iterdir()):
        if found := _TABLE_NAME.fullmatch(table.name):
            rows[int(found[1], 16)] = _rows(table, name)
    may_be_empty = any(not count for number, count in rows.items() if number > _LAST_SYSTEM_TABLE)
    return Prepared(path=path, driver="OpenFileGDB", may_be_empty=may_be_empty)


def _rows(table: Path, name: str) -> int | None:
    """How many rows the table says it has; null for the layout of very large tables, whose header is another."""
    signature, rows, size = _TABLE_HEADER.unpack(_head(table, _TABLE_HEADER.size, name))
    if signature == _LARGE_SIGNATURE:
        return None
    if signature != _SIGNATURE or size > table.stat().st_size:
        raise SourceUnreadableError(name=name, reason=f"its table {table.name} is damaged or cut off")
    index = table.with_suffix(".gdbtablx")
    if rows or index.exists():
        _check_index(index, name)
    return int(rows)


def _check_index(index: Path, name: str) -> None:
    signature, blocks, _, offset_bytes = _INDEX_HEADER.unpack(_head(index, _INDEX_HEADER.size, name))
    least = _INDEX_HEADER.size + blocks * _BLOCK_ROWS * offset_bytes
    if signature != _SIGNATURE or least > index.stat().st_size:
        raise SourceUnreadableError(name=name, reason=f"its index {index.name} is damaged or cut off")


def _head(file: Path, size_bytes: int, name: str) -> bytes:
    if not file.is_file() or file.stat().st_size < size_bytes:
        raise SourceUnreadableError(name=name, reason=f"its file {file.name} is cut off or not there")
    with file.open("rb") as content:
        return content.read(size_bytes)
