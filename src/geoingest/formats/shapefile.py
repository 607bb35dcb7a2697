"""A shapefile made ready for GDAL: whole, its parts found, its text's encoding known, a missing index rebuilt.

GDAL reads a truncated .shp as null geometries and a truncated .dbf as fewer features, so lengths and counts are
compared first. A missing .shx is made in a folder of our own, and by us: a driver that may make one
writes beside the input, and over an index that is there.

Source: ESRI Shapefile Technical Description, July 1998.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geoingest.errors.source import CrsUnknownError, SourceUnreadableError
from geoingest.formats.crs import resolve_crs
from geoingest.formats.dbf import Dbf, Encoding, decide_encoding, read_dbf
from geoingest.formats.prepared import Prepared, Scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER_BYTES = 100
# Record number, length, and shape type: the least that a record has.
_RECORD_BYTES = 12
_PRJ_BYTES = 1 << 16
_PARTS = (".shx", ".dbf", ".prj", ".cpg")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shapes:
    """The records of a .shp: how many, and which of them are null shapes."""

    is_null: np.ndarray

    @property
    def count(self) -> int:
        return len(self.is_null)


def prepare_shapefile(path: Path, *, encoding: str | None, name: str) -> Prepared:
    """The shapefile as GDAL may read it.

    Raises: SourceUnreadableError, EncodingUnknownError.
    """
    parts = _parts(path)
    shapes = _read_shapes(path, parts.get(".shx"), name)
    dbf = read_dbf(parts[".dbf"], name=name) if ".dbf" in parts else None
    if dbf is not None and dbf.rows != shapes.count:
        reason = f"its .shp holds {shapes.count} shapes and its .dbf {dbf.rows} rows"
        raise SourceUnreadableError(name=name, reason=reason)
    text = decide_encoding(dbf, cpg=_cpg(parts), given=encoding, name=name) if dbf is not None else None
    kept = ~dbf.deleted() if dbf is not None else np.ones(shapes.count, dtype=bool)
    odd_prj = _odd_prj(parts)
    if odd_prj is not None:
        del parts[".prj"]
    scratch = None if _is_plain(path, parts) and odd_prj is None else Scratch()
    return Prepared(
        path=path if scratch is None else _link(path, parts, scratch),
        driver="ESRI Shapefile",
        encoding=text.codec if text else "UTF-8",
        encoding_from=text.origin if text else "format",
        recode_from=text.gdal_name if text else None,
        crs=odd_prj,
        features=int(kept.sum()),
        null_geometries=int((shapes.is_null & kept).sum()),
        warnings=_warnings(dbf, text, name),
        scratch=scratch,
    )


def _parts(path: Path) -> dict[str, Path]:
    """The companions that are there, by lower-case suffix; suffixes and names are compared without case."""
    found = {}
    for file in path.parent.iterdir():
        if file.stem.lower() == path.stem.lower() and file.suffix.lower() in _PARTS and file.is_file():
            found[file.suffix.lower()] = file
    return found


def _odd_prj(parts: dict[str, Path]) -> str | None:
    """The text of a .prj that must be kept from pyogrio, which fails where GDAL cannot name the CRS; else null.

    That is one that names no known CRS (the manifest may replace it), or is not UTF-8.
    """
    if ".prj" not in parts:
        return None
    content = parts[".prj"].read_bytes()[:_PRJ_BYTES].removeprefix(b"\xef\xbb\xbf").strip(b"\0 \t\r\n")
    try:
        resolve_crs(content.decode())
    except UnicodeDecodeError:
        return content.decode("latin-1")
    except CrsUnknownError:
        return content.decode() or None
    return None


def _cpg(parts: dict[str, Path]) -> str | None:
    if ".cpg" not in parts:
        return None
    with parts[".cpg"].open("rb") as file:
        return file.read(64).decode("latin-1").strip().removeprefix("ï»¿") or None


def _is_plain(path: Path, parts: dict[str, Path]) -> bool:
    """Whether GDAL finds every part by itself: there is an index, and names and suffixes agree in case."""
    return ".shx" in parts and all(
        part.stem == path.stem and part.suffix in {suffix, suffix.upper()} for suffix, part in parts.items()
    )


def _link(path: Path, parts: dict[str, Path], scratch: Scratch) -> Path:
    target = scratch.path / f"{path.stem}.shp"
    target.symlink_to(path.absolute())
    for suffix, part in parts.items():
        (scratch.path / f"{path.stem}{suffix}").symlink_to(part.absolute())
    if ".shx" not in parts:
        _write_index(target)
    return target


def _write_index(path: Path) -> None:
    """A .shx beside the .shp at `path`: its header with another length, then place and length of every record."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    head = data[:_HEADER_BYTES].tobytes()
    places = np.fromiter(_walk(data, struct.unpack_from(">i", head, 24)[0] * 2), dtype=np.int64)
    words = np.array(
        [int.from_bytes(data[at + 4 : at + 8].tobytes(), "big") for at in places], dtype=np.int64
    )
    length = (_HEADER_BYTES + 8 * len(places)) // 2
    entries = np.column_stack([places // 2, words]).astype(">i4").tobytes()
    path.with_suffix(".shx").write_bytes(head[:24] + struct.pack(">i", length) + head[28:] + entries)


def _read_shapes(path: Path, index: Path | None, name: str) -> _Shapes:
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    size = path.stat().st_size
    announced = struct.unpack_from(">i", head, 24)[0] * 2 if len(head) == _HEADER_BYTES else _HEADER_BYTES
    if len(head) < _HEADER_BYTES or announced > size:
        raise SourceUnreadableError(name=name, reason=f"its .shp is cut off: {size} of {announced} bytes")
    data = np.memmap(path, dtype=np.uint8, mode="r")
    starts = (
        _indexed(index, name) if index is not None else np.fromiter(_walk(data, announced), dtype=np.int64)
    )
    if len(starts) and (int(starts.min()) < _HEADER_BYTES or int(starts.max()) + _RECORD_BYTES > size):
        raise SourceUnreadableError(
            name=name, reason="its .shp ends before its last shape, or its .shx is damaged"
        )
    # The low byte of the little-endian shape type tells: 0 is a null shape, and the largest type is 31.
    return _Shapes(is_null=np.asarray(data[starts + 8] == 0))


def _indexed(index: Path, name: str) -> np.ndarray:
    """Byte offsets of the records, as the .shx gives them in 16-bit words."""
    size = index.stat().st_size
    head = index.read_bytes()[:_HEADER_BYTES]
    announced = struct.unpack_from(">i", head, 24)[0] * 2 if len(head) == _HEADER_BYTES else size + 1
    if announced > size:
        raise SourceUnreadableError(name=name, reason="its .shx is cut off")
    entries = np.fromfile(index, dtype=">i4", offset=_HEADER_BYTES, count=(announced - _HEADER_BYTES) // 4)
    return entries[::2].astype(np.int64) * 2


def _walk(data: np.ndarray, end: int) -> Iterator[int]:
    """Byte offsets of the records, each of which names its own length."""
    at = _HEADER_BYTES
    while at + _RECORD_BYTES <= end:
        yield at
        at += 8 + 2 * int.from_bytes(data[at + 4 : at + 8].tobytes(), "big")


def _warnings(dbf: Dbf | None, text: Encoding | None, name: str) -> tuple[str, ...]:
    if dbf is None or text is None:
        return (f"{name}: there is no .dbf beside it; the shapes have no attributes",)
    gone = int(dbf.deleted().sum())
    deleted = (f"{name}: {gone} rows are marked as deleted in the .dbf and were left out",) if gone else ()
    return (*text.warnings, *deleted)
