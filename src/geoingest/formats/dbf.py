"""The attribute table of a shapefile: its structure and the encoding of its text.

GDAL drops characters that do not fit the encoding and says so once per process, so the text is decoded here, strictly,
before GDAL may read it.

Source: dBASE III+ header; language driver ids as in GDAL's shapefile driver (`OGRShapeLayer::ConvertCodePage`).
"""

from __future__ import annotations

import codecs
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geoingest.errors.source import EncodingUnknownError, SourceUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geoingest.formats.prepared import EncodingOrigin

_HEADER_BYTES, _FIELD_BYTES = 32, 32
_LDID_AT = 29
_CHUNK_ROWS = 100_000
_DELETED = ord("*")

# Code page -> language driver ids. 0x57 is left out: it means "the ANSI code page of that machine" and names none.
_LDIDS = {
    "cp437": (0x01, 0x0B, 0x0D, 0x0F, 0x11, 0x15, 0x18, 0x19, 0x1B),
    "cp850": (0x02, 0x0A, 0x0E, 0x10, 0x12, 0x14, 0x16, 0x1A, 0x1D, 0x25, 0x37),
    "cp1252": (0x03, 0x58, 0x59),
    "mac_roman": (0x04,),
    "cp865": (0x08, 0x17, 0x66),
    "cp932": (0x13, 0x7B),
    "cp863": (0x1C, 0x6C),
    "cp852": (0x1F, 0x22, 0x23, 0x40, 0x64, 0x87),
    "cp860": (0x24,),
    "cp866": (0x26, 0x65),
    "gbk": (0x4D, 0x7A),
    "cp949": (0x4E, 0x79),
    "cp950": (0x4F, 0x78),
    "cp874": (0x50, 0x7C),
    "cp861": (0x67,),
    "cp737": (0x6A, 0x86),
    "cp857": (0x6B, 0x88),
    "cp1250": (0xC8,),
    "cp1251": (0xC9,),
    "cp1254": (0xCA,),
    "cp1253": (0xCB,),
    "cp1257": (0xCC,),
}
_BY_LDID = {ldid: page for page, ldids in _LDIDS.items() for ldid in ldids}
# Where GDAL's iconv knows a codec by another name than Python.
_ICONV = {"mac_roman": "MACINTOSH", "cp932": "CP932", "utf-8": "UTF-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dbf:
    """A table's structure: rows that are there (deleted ones included), and its text fields as (offset, width)."""

    path: Path
    rows: int
    row_bytes: int
    header_bytes: int
    ldid: int
    names: tuple[bytes, ...]
    text_fields: tuple[tuple[int, int], ...]

    def records(self) -> np.memmap | np.ndarray:
        """The rows as a (rows, row_bytes) array of bytes; the first column is the deletion mark."""
        if not self.rows:
            return np.empty((0, self.row_bytes), dtype=np.uint8)
        shape = (self.rows, self.row_bytes)
        return np.memmap(self.path, dtype=np.uint8, mode="r", offset=self.header_bytes, shape=shape)

    def deleted(self) -> np.ndarray:
        """Which rows are marked as deleted; GDAL skips them, as every reader does."""
        return np.asarray(self.records()[:, 0] == _DELETED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """The encoding of a table's text: Python's name, GDAL's name, who says so, and what the user should hear."""

    codec: str
    gdal_name: str
    origin: EncodingOrigin
    warnings: tuple[str, ...] = ()


def read_dbf(path: Path, *, name: str) -> Dbf:
    """The structure of the table at `path`.

    Raises: SourceUnreadableError: the header is damaged, or the file ends before its last row.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
        if len(head) < _HEADER_BYTES:
            raise SourceUnreadableError(name=name, reason="its .dbf is cut off")
        rows, header_bytes, row_bytes = struct.unpack_from("<IHH", head, 4)
        fields = file.read(max(0, header_bytes - _HEADER_BYTES))
    if header_bytes < _HEADER_BYTES or row_bytes < 1 or header_bytes + rows * row_bytes > size:
        raise SourceUnreadableError(
            name=name, reason=f"its .dbf announces {rows} rows and ends before the last"
        )
    names, text_fields = _fields(fields)
    return Dbf(
        path=path,
        rows=rows,
        row_bytes=row_bytes,
        header_bytes=header_bytes,
        ldid=head[_LDID_AT],
        names=names,
        text_fields=text_fields,
    )


def decide_encoding(dbf: Dbf, *, cpg: str | None, given: str | None, name: str) -> Encoding:
    """The encoding of the table's text: `.cpg`, then language driver id, then detection, then what is given.

    Detection knows UTF-8 by its pattern. Text that is none, with nothing given, is taken as Windows-1252, the
    encoding of most such files, and the user hears so.

    Raises: EncodingUnknownError: the text does not fit the encoding, or the given one does not exist.
    """
    found = _decide(dbf, cpg=cpg, given=given, name=name)
    if (column := _misfit(dbf, found.codec)) is not None:
        reason = f"the text of field {column} is not in the encoding {found.codec} (from: {found.origin})"
        raise EncodingUnknownError(name=name, reason=reason)
    return found


def _decide(dbf: Dbf, *, cpg: str | None, given: str | None, name: str) -> Encoding:
    wanted = _codec(given) if given is not None else None
    if given is not None and wanted is None:
        raise EncodingUnknownError(name=name, reason=f"there is no encoding {given!r}")
    told = _codec(cpg) if cpg is not None else None
    odd = (
        (f"{name}: its .cpg names an unknown encoding and was not used",)
        if cpg is not None and not told
        else ()
    )
    if told is not None:
        return _encoding(told, "cpg", _overruled(name, told, wanted))
    if dbf.ldid in _BY_LDID:
        page = _BY_LDID[dbf.ldid]
        return _encoding(page, "ldid", odd + _overruled(name, page, wanted))
    if _misfit(dbf, "utf-8") is None:
        return _encoding("utf-8", "detected", odd + _overruled(name, "utf-8", wanted))
    if wanted is not None:
        return _encoding(wanted, "manifest", odd)
    assumed = f"{name}: nothing tells the encoding of its text; it was read as Windows-1252"
    return _encoding("cp1252", "assumed", (*odd, assumed))


def _overruled(name: str, used: str, wanted: str | None) -> tuple[str, ...]:
    if wanted is None or wanted == used:
        return ()
    return (f"{name}: the manifest says encoding {wanted}, the data says {used}; the data's was used",)


def _encoding(codec: str, origin: EncodingOrigin, warnings: tuple[str, ...] = ()) -> Encoding:
    gdal_name = _ICONV.get(codec, codec.upper().replace("_", "-"))
    return Encoding(codec=codec, gdal_name=gdal_name, origin=origin, warnings=warnings)


def _codec(text: str) -> str | None:
    """Python's name for what a .cpg or a person writes: `1252`, `ANSI 1252`, `88591`, `OEM 850`, `UTF-8`, `65001`."""
    word = re.sub(r"^(?:ANSI|OEM|LDID/)[ -]*", "", text.strip(), flags=re.IGNORECASE)
    if word == "65001":
        word = "utf-8"
    elif re.fullmatch(r"8859\d{1,2}", word):
        word = f"iso8859-{word[4:]}"
    elif word.isdigit():
        word = f"cp{word}"
    try:
        codec = codecs.lookup(word)
    except (LookupError, ValueError):
        return None
    # Codecs that are no text encodings (base64, rot13) are none here either; UTF-16 cannot stand in a DBF.
    is_text = getattr(codec, "_is_text_encoding", True)
    return codec.name if is_text and not codec.name.startswith(("utf-16", "utf-32")) else None


def _fields(data: bytes) -> tuple[tuple[bytes, ...], tuple[tuple[int, int], ...]]:
    names, texts, offset = [], [], 1
    for at in range(0, len(data) - _FIELD_BYTES + 1, _FIELD_BYTES):
        if data[at] == 0x0D:  # noqa: PLR2004 - the mark that ends the field descriptors
            break
        kind, width = data[at + 11 : at + 12], data[at + 16]
        if kind == b"C":
            width += data[at + 17] << 8
            texts.append((offset, width))
        names.append(data[at : at + 11].split(b"\0")[0])
        offset += width
    return tuple(names), tuple(texts)


def _misfit(dbf: Dbf, codec: str) -> str | None:
    """The first field whose name or text the codec cannot decode, as it is called in the file."""
    for number, (label, chunk) in enumerate(_texts(dbf), start=1):
        try:
            chunk.decode(codec)
        except UnicodeDecodeError:
            return repr(label.decode("latin-1")) if label else str(number)
    return None


def _texts(dbf: Dbf) -> Iterator[tuple[bytes, bytes]]:
    for label in dbf.names:
        yield label, label
    records = dbf.records()
    for offset, width in dbf.text_fields:
        for start in range(0, dbf.rows, _CHUNK_ROWS):
            yield b"", records[start : start + _CHUNK_ROWS, offset : offset + width].tobytes()
