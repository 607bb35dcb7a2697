"""What each format needs before its driver may open it: a table from format to its preparation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from geoingest.errors.source import FormatMismatchError
from geoingest.formats.filegdb import prepare_filegdb
from geoingest.formats.geojson import prepare_geojson
from geoingest.formats.kmz import unpack_kmz
from geoingest.formats.prepared import Prepared, Scratch
from geoingest.formats.shapefile import prepare_shapefile
from geoingest.formats.topojson import prepare_topojson
from geoingest.formats.xml_check import check_xml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geoingest.formats.sniff import Sniffed


def prepare(path: Path, sniffed: Sniffed, *, encoding: str | None, name: str) -> Prepared:
    """The file as its driver may open it; `encoding` matters to shapefiles only.

    Raises: FormatMismatchError: the file is no vector file. SourceUnreadableError, XmlDoctypeError,
        CrsUnknownError, EncodingUnknownError, ArchiveUnsafeError, ArchiveDamagedError.
    """
    if sniffed.format == "shapefile":
        return prepare_shapefile(path, encoding=encoding, name=name)
    if sniffed.format not in _PREPARATIONS:
        raise FormatMismatchError(name=name, declared="vector", found=sniffed.format)
    return _PREPARATIONS[sniffed.format](path, name)


def _geojson(path: Path, name: str) -> Prepared:
    return prepare_geojson(path, sequence=False, name=name)


def _geojsonseq(path: Path, name: str) -> Prepared:
    return prepare_geojson(path, sequence=True, name=name)


def _topojson(path: Path, name: str) -> Prepared:
    return prepare_topojson(path, name=name)


def _kml(path: Path, name: str) -> Prepared:
    count = check_xml(path, name=name)
    # With a schema, LIBKML reads the schema's fields and leaves the untyped values beside them.
    lost = count["Data"] and count["SimpleData"]
    warnings = (f"{name}: untyped <Data> values beside <SchemaData> are not read",) if lost else ()
    # Folders are layers, and overlays are features of a kind that has no Placemark.
    is_one_layer = not any(count[element] for element in ("Folder", "GroundOverlay", "NetworkLink"))
    promised = count["Placemark"] if is_one_layer and count["Document"] < 2 else None  # noqa: PLR2004 - a Document is a layer
    return Prepared(path=path, driver="LIBKML", features=promised, warnings=warnings)


def _kmz(path: Path, name: str) -> Prepared:
    """GDAL reads the document inside a KMZ without the fields of its schema, so the document is taken out."""
    document, scratch, warnings = unpack_kmz(path, name=name)
    inside = _kml(document, name)
    return replace(inside, warnings=(*warnings, *inside.warnings), scratch=scratch)


def _gml(path: Path, name: str) -> Prepared:
    check_xml(path, name=name)
    # GDAL writes what it learned of the document (.gfs) beside it, unless it may not; here it may, and need learn once.
    scratch = Scratch()
    for part in path.parent.iterdir():
        if part == path or (part.stem == path.stem and part.suffix.lower() in {".xsd", ".gfs"}):
            (scratch.path / part.name).symlink_to(part.absolute())
    return Prepared(path=scratch.path / path.name, driver="GML", scratch=scratch)


def _geopackage(path: Path, _name: str) -> Prepared:
    # Without it SQLite may write a -wal and a -shm file beside the input.
    return Prepared(path=path, driver="GPKG", options=(("IMMUTABLE", "YES"),))


def _filegdb(path: Path, name: str) -> Prepared:
    return prepare_filegdb(path, name=name)


def _flatgeobuf(path: Path, _name: str) -> Prepared:
    return Prepared(path=path, driver="FlatGeobuf")


_PREPARATIONS: dict[str, Callable[[Path, str], Prepared]] = {
    "geojson": _geojson,
    "geojsonseq": _geojsonseq,
    "topojson": _topojson,
    "geopackage": _geopackage,
    "flatgeobuf": _flatgeobuf,
    "filegdb": _filegdb,
    "kml": _kml,
    "kmz": _kmz,
    "gml": _gml,
}
