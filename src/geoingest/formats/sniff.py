"""What a file is, told by its bytes alone: format, lane, and the one GDAL driver that may open it.

Owns the table of formats and of the names people give them. Nothing is handed to a library here but SQLite's header
table and a zip's directory; what is not recognised is refused, because the drivers that would "find something" in any
text (OGR VRT, GDALG, web services) read other files and hosts. XML with a DOCTYPE is refused before any parser sees it.
"""

from __future__ import annotations

import re
import sqlite3
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from geoingest.errors.source import FormatMismatchError, FormatUnknownError, SourceEmptyError, XmlDoctypeError
from geoingest.formats.json_outline import outline

if TYPE_CHECKING:
    from geoingest.formats.json_outline import Outline

Lane = Literal["vector", "raster", "tabular", "archive"]
_HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sniffed:
    """A recognised format: `driver` is GDAL's name for it, null where GDAL is not the reader."""

    format: str
    lane: Lane
    driver: str | None


FORMATS = {
    sniffed.format: sniffed
    for sniffed in (
        Sniffed(format="geojson", lane="vector", driver="GeoJSON"),
        Sniffed(format="geojsonseq", lane="vector", driver="GeoJSONSeq"),
        Sniffed(format="topojson", lane="vector", driver="TopoJSON"),
        Sniffed(format="geopackage", lane="vector", driver="GPKG"),
        Sniffed(format="flatgeobuf", lane="vector", driver="FlatGeobuf"),
        Sniffed(format="shapefile", lane="vector", driver="ESRI Shapefile"),
        Sniffed(format="filegdb", lane="vector", driver="OpenFileGDB"),
        Sniffed(format="kml", lane="vector", driver="LIBKML"),
        Sniffed(format="kmz", lane="vector", driver="LIBKML"),
        Sniffed(format="gml", lane="vector", driver="GML"),
        Sniffed(format="zip", lane="archive", driver=None),
        Sniffed(format="geotiff", lane="raster", driver="GTiff"),
        Sniffed(format="jp2", lane="raster", driver="JP2OpenJPEG"),
        Sniffed(format="png", lane="raster", driver="PNG"),
        Sniffed(format="netcdf", lane="raster", driver="netCDF"),
        Sniffed(format="hdf5", lane="raster", driver="netCDF"),
        Sniffed(format="csv", lane="tabular", driver=None),
        Sniffed(format="ndjson", lane="tabular", driver=None),
        Sniffed(format="parquet", lane="tabular", driver=None),
        Sniffed(format="xlsx", lane="tabular", driver=None),
        Sniffed(format="gzip", lane="tabular", driver=None),
        Sniffed(format="zstd", lane="tabular", driver=None),
    )
}

# What people write in a manifest, in lower case without blanks, dots, hyphens and underscores.
_NAMES = {
    "geojson": ("geojson", "json", "application/geo+json"),
    "geojsonseq": (
        "geojsonseq",
        "geojsonl",
        "geojsons",
        "geojsonlines",
        "ndgeojson",
        "newlinedelimitedgeojson",
    ),
    "topojson": ("topojson",),
    "geopackage": ("geopackage", "gpkg"),
    "flatgeobuf": ("flatgeobuf", "fgb"),
    "shapefile": ("shapefile", "esrishapefile", "shp", "esrishape"),
    "filegdb": ("filegdb", "openfilegdb", "gdb", "filegeodatabase", "esrifilegdb", "esrifilegeodatabase"),
    "kml": ("kml", "libkml"),
    "kmz": ("kmz",),
    "gml": ("gml",),
    "zip": ("zip", "zippedshapefile", "shpzip", "shapezip"),
    "geotiff": ("geotiff", "gtiff", "tiff", "tif", "bigtiff", "cog", "cloudoptimizedgeotiff"),
    "jp2": ("jp2", "jpeg2000", "jpeg2k", "jp2openjpeg", "j2k"),
    "png": ("png",),
    "netcdf": ("netcdf", "nc", "netcdf4", "cdf"),
    "hdf5": ("hdf5", "hdf", "h5"),
    "csv": ("csv", "tsv", "txt", "text", "delimitedtext"),
    "ndjson": ("ndjson", "jsonl", "jsonlines"),
    "parquet": ("parquet", "geoparquet"),
    "xlsx": ("xlsx", "excel"),
    "gzip": ("gzip", "gz", "csvgz"),
    "zstd": ("zstd", "zst", "csvzst"),
}
KNOWN_FORMATS = {name: known for known, names in _NAMES.items() for name in names}

# Formats that one word in a manifest covers: a file of either is what was declared.
_SAME = ({"geojson", "geojsonseq"}, {"kml", "kmz"}, {"netcdf", "hdf5"})
_COMPRESSED = {"gzip", "zstd"}

_MAGIC = (
    (b"fgb\x03fgb", "flatgeobuf"),
    (b"II*\0", "geotiff"),
    (b"MM\0*", "geotiff"),
    (b"II+\0", "geotiff"),
    (b"MM\0+", "geotiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"CDF\x01", "netcdf"),
    (b"CDF\x02", "netcdf"),
    (b"CDF\x05", "netcdf"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"PAR1", "parquet"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_SHP_CODE, _SHP_VERSION = b"\0\0\x27\x0a", b"\xe8\x03\0\0"
_GEOMETRIES = {
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection",
}  # fmt: skip
_GEOJSON_TYPES = {"FeatureCollection", "Feature", *_GEOMETRIES}
_SEQUENCE_SUFFIXES = {".geojsonl", ".geojsons", ".geojsonseq", ".ndjson", ".jsonl", ".ndgeojson"}
_TEXT_SUFFIXES = {".csv", ".tsv", ".tab", ".txt", ".dat", ""}
_XML_PROLOG = re.compile(rb"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*)*", re.DOTALL)
_XML_ROOT = re.compile(rb"<(?:[\w.-]+:)?([\w.-]+)((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")


def sniff(path: Path, *, name: str | None = None) -> Sniffed:
    """What `path` (a file, or a FileGDB folder) is; `name` is what the user calls it.

    Raises: FormatUnknownError, SourceEmptyError, XmlDoctypeError.
    """
    shown = name or path.name
    if path.is_dir():
        known = "filegdb" if (path / "a00000001.gdbtable").is_file() else None
        head = b""
    else:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if not head:
            raise SourceEmptyError(name=shown)
        known = _binary(path, head) or _text(path, head, shown)
    if known is None:
        raise FormatUnknownError(name=shown, seen=_seen(path, head), supported=tuple(FORMATS))
    return FORMATS[known]


def check_declared(sniffed: Sniffed, *, declared: str, name: str) -> None:
    """Nothing, when the manifest's `format` is unknown to us (the bytes decide) or fits the bytes.

    An archive fits every declared format, compressed bytes every tabular one: what is inside is asked again.

    Raises: FormatMismatchError.
    """
    known = KNOWN_FORMATS.get(re.sub(r"[ ._-]+", "", declared.strip().lower()))
    if known is None or known == sniffed.format or any({known, sniffed.format} <= same for same in _SAME):
        return
    if sniffed.lane == "archive" or known == "zip":
        return
    if FORMATS[known].lane == "tabular" and sniffed.format in _COMPRESSED:
        return
    raise FormatMismatchError(name=name, declared=declared, found=sniffed.format)


def _binary(path: Path, head: bytes) -> str | None:
    for magic, known in _MAGIC:
        if head.startswith(magic):
            return known
    if head.startswith(b"SQLite format 3\0"):
        return "geopackage" if _is_geopackage(path, head) else None
    if head.startswith(_SHP_CODE) and head[28:32] == _SHP_VERSION:
        return None if path.suffix.lower() == ".shx" else "shapefile"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(path)
    return None


def _is_geopackage(path: Path, head: bytes) -> bool:
    if head[68:72] in {b"GPKG", b"GP10", b"GP11"}:
        return True
    database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True)
    try:
        query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'gpkg_contents'"
        return bool(database.execute(query).fetchone()[0])
    except sqlite3.DatabaseError:
        return False
    finally:
        database.close()


def _zip_kind(path: Path) -> str:
    """KMZ and XLSX are zips with a fixed inside; a damaged zip is a zip, and is told so when it is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return "zip"
    if "xl/workbook.xml" in members:
        return "xlsx"
    kml = [member for member in members if PurePosixPath(member).suffix.lower() == ".kml"]
    is_kmz = "doc.kml" in members or (path.suffix.lower() == ".kmz" and kml)
    return "kmz" if is_kmz else "zip"


def _text(path: Path, head: bytes, name: str) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"\x1e")):
        return _json_kind(path, text)
    if text.startswith(b"<"):
        return _xml_kind(text, name)
    return "csv" if _is_table(path, head) else None


def _json_kind(path: Path, text: bytes) -> str | None:
    first = outline(text.lstrip(b"\x1e \t\r\n"))
    sequence = text.startswith(b"\x1e") or first.followed_by_object
    kind = first.members.get("type") or _late_type(path, first)
    if kind in _GEOJSON_TYPES and "coordRefSys" not in first.members:
        open_sequence = not first.complete and path.suffix.lower() in _SEQUENCE_SUFFIXES and kind == "Feature"
        return "geojsonseq" if sequence or open_sequence else "geojson"
    if kind == "Topology":
        return "topojson"
    lines = sequence or (first.complete and path.suffix.lower() in _SEQUENCE_SUFFIXES)
    # A GDAL pipeline must reach no reader at all, not even as a table of one line.
    return "ndjson" if lines and kind != "gdal_streamed_alg" else None


def _late_type(path: Path, first: Outline) -> str | None:
    """The top-level `type` when it stands after the features: told by the first feature, or by the file's end."""
    if first.complete or first.members.get("features") != "[":
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _HEAD_BYTES))
        tail = file.read()
    late = re.search(rb'"type"\s*:\s*"FeatureCollection"[^{}\[\]]*}\s*$', tail)
    return "FeatureCollection" if late or first.first_feature_type == "Feature" else None


def _xml_kind(text: bytes, name: str) -> str | None:
    prolog = _XML_PROLOG.match(text)
    rest = text[prolog.end() if prolog else 0 :]
    if rest[:9].upper() == b"<!DOCTYPE":
        raise XmlDoctypeError(name=name)
    root = _XML_ROOT.match(rest)
    if root is None:
        return None
    if root[1] == b"kml":
        return "kml"
    return "gml" if b"http://www.opengis.net/gml" in root[2] else None


def _is_table(path: Path, head: bytes) -> bool:
    """Text in lines; under a suffix that is no table's own, only with a delimiter in its first line."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = head[: len(head) // 2 * 2].decode("utf-16", errors="replace")
    else:
        text = head.decode("latin-1")
    # NUL is kept out of the check: a table with stray NULs is the table reader's case, a binary file is not.
    control = sum(text.count(chr(code)) for code in range(1, 32) if code not in {9, 10, 12, 13, 27})
    if control or text.count("\0") > len(text) // 100:
        return False
    line = text.split("\n", 1)[0]
    return path.suffix.lower() in _TEXT_SUFFIXES or (
        path.suffix.lower().lstrip(".") not in KNOWN_FORMATS and any(mark in line for mark in ",;\t|")
    )


def _seen(path: Path, head: bytes) -> str:
    if path.is_dir():
        return "a folder that is no file geodatabase"
    start = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in head[:32])  # noqa: PLR2004 - printable ASCII
    suffix = f"suffix '{path.suffix}'" if path.suffix else "no suffix"
    return f"{start!r} at the start, {suffix}"
