from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import geoingest
import sources
from geoingest.errors.source import FormatMismatchError, FormatUnknownError, SourceEmptyError, XmlDoctypeError
from geoingest.formats.sniff import FORMATS, KNOWN_FORMATS, check_declared, sniff

FEATURE = '{"type":"Feature","properties":{},"geometry":null}'
COLLECTION = f'{{"type":"FeatureCollection","features":[{FEATURE}]}}'


def write(folder: Path, content: bytes | str, name: str = "data.bin") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("file_format", "expected"),
    [
        ("geojson", "geojson"),
        ("geojsonseq", "geojsonseq"),
        ("topojson", "topojson"),
        ("gpkg", "geopackage"),
        ("fgb", "flatgeobuf"),
        ("shp", "shapefile"),
        ("shp.zip", "zip"),
        ("kml", "kml"),
        ("kmz", "kmz"),
        ("gml", "gml"),
        ("gdb", "filegdb"),
        ("gdb.zip", "zip"),
    ],
)
def test_every_sample_is_recognised_whatever_it_is_called(file_format, expected, tmp_path):
    path = sources.write_sample(file_format, tmp_path)
    assert sniff(path) == FORMATS[expected]
    assert sniff(path.rename(tmp_path / "renamed")) == FORMATS[expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(COLLECTION, "geojson", id="collection"),
        pytest.param("\ufeff" + COLLECTION, "geojson", id="byte order mark"),
        pytest.param("\n \t" + COLLECTION, "geojson", id="leading blanks"),
        pytest.param(FEATURE, "geojson", id="feature"),
        pytest.param('{"coordinates":[1,2],"type":"Point"}', "geojson", id="geometry with a late type"),
        pytest.param(f'{{"features":[{FEATURE}],"type":"FeatureCollection"}}', "geojson", id="late type"),
        pytest.param('{"t\\u0079pe":"Feature","geometry":null}', "geojson", id="escaped key"),
        pytest.param('{"a":{"type":"Topology"},"type":"FeatureCollection"}', "geojson", id="inner type"),
        pytest.param(
            '{"name":"{\\"type\\":\\"Topology\\"}","type":"Feature"}', "geojson", id="type inside text"
        ),
        pytest.param(f"{FEATURE}\n{FEATURE}\n", "geojsonseq", id="lines"),
        pytest.param(f"\x1e{FEATURE}\n\x1e{FEATURE}\n", "geojsonseq", id="record separators"),
        pytest.param(f"\x1e{FEATURE}\n", "geojsonseq", id="one record"),
        pytest.param('{"type":"Topology","objects":{},"arcs":[]}', "topojson", id="topojson"),
        pytest.param('{"a":1}\n{"a":2}\n', "ndjson", id="ndjson"),
        pytest.param('<?xml version="1.0"?><!-- c --><kml xmlns="x"></kml>', "kml", id="kml"),
        pytest.param('<k:kml xmlns:k="x"/>', "kml", id="prefixed kml"),
        pytest.param(
            '<wfs:FeatureCollection xmlns:gml="http://www.opengis.net/gml/3.2">', "gml", id="wfs answer"
        ),
        pytest.param("a,b\n1,2\n", "csv", id="csv"),
    ],
)
def test_text_formats_are_told_by_their_content(text, expected, tmp_path):
    assert sniff(write(tmp_path, text)).format == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(b"II*\0", "geotiff", id="little-endian tiff"),
        pytest.param(b"MM\0*", "geotiff", id="big-endian tiff"),
        pytest.param(b"II+\0", "geotiff", id="bigtiff"),
        pytest.param(b"\0\0\0\x0cjP  \r\n\x87\n", "jp2", id="jp2"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "png", id="png"),
        pytest.param(b"CDF\x01", "netcdf", id="netcdf"),
        pytest.param(b"\x89HDF\r\n\x1a\n", "hdf5", id="hdf5"),
        pytest.param(b"PAR1", "parquet", id="parquet"),
        pytest.param(gzip.compress(b"a,b"), "gzip", id="gzip"),
        pytest.param(b"\x28\xb5\x2f\xfd", "zstd", id="zstd"),
    ],
)
def test_binary_formats_are_told_by_their_first_bytes(head, expected, tmp_path):
    assert sniff(write(tmp_path, head + bytes(8), "a.geojson")).format == expected


def test_xlsx_is_not_an_archive(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    assert sniff(path).format == "xlsx"


def test_type_may_come_after_a_megabyte_of_features(tmp_path):
    feature = {"properties": {"a": "x" * 1000}, "type": "Feature", "geometry": None}
    path = write(tmp_path, json.dumps({"features": [feature] * 2000, "type": "FeatureCollection"}))
    assert sniff(path).format == "geojson"


def test_a_geopackage_without_its_application_id_is_one(tmp_path):
    path = sources.write_sample("gpkg", tmp_path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA application_id = 0")
    database.close()
    assert sniff(path).format == "geopackage"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("<OGRVRTDataSource><OGRVRTLayer/></OGRVRTDataSource>", id="OGR VRT"),
        pytest.param("<VRTDataset/>", id="raster VRT"),
        pytest.param("<GDAL_WMS/>", id="WMS"),
        pytest.param("<WFS_Capabilities/>", id="WFS"),
        pytest.param("<MRF_META/>", id="MRF"),
        pytest.param("<html></html>", id="web page"),
        pytest.param('{"type":"gdal_streamed_alg","command_line":"x"}', id="GDALG"),
        pytest.param('{"type":"gdal_streamed_alg"}\n{"type":"Feature"}', id="GDALG as a sequence"),
        pytest.param('{"stac_version":"1.0.0","type":"Catalog"}', id="STAC"),
        pytest.param('{"geometryType":"esriGeometryPoint","features":[]}', id="Esri JSON"),
        pytest.param('{"type":"FeatureCollection","coordRefSys":"x","features":[]}', id="JSON-FG"),
        pytest.param("[1,2]", id="JSON array"),
        pytest.param("/vsicurl/http://127.0.0.1/x", id="a path"),
        pytest.param("-- PostgreSQL dump", id="SQL"),
        pytest.param(b"%PDF-1.4", id="PDF"),
        pytest.param(b"\x7fELF\0\0\0", id="program"),
        pytest.param(COLLECTION.encode("utf-16"), id="UTF-16 JSON"),
        pytest.param("<kml/>".encode("utf-16"), id="UTF-16 XML"),
        pytest.param(b"SQLite format 3\0" + bytes(100), id="broken SQLite"),
    ],
)
@pytest.mark.parametrize("name", ["a.geojson", "a.gml", "a.gpkg"])
def test_what_is_not_known_is_refused_under_any_name(content, name, tmp_path):
    with pytest.raises(FormatUnknownError, match="found '"):
        sniff(write(tmp_path, content, name))


def test_sqlite_that_is_no_geopackage_is_refused(tmp_path):
    path = tmp_path / "a.gpkg"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (a)")
    database.close()
    with pytest.raises(FormatUnknownError):
        sniff(path)


def test_an_index_of_shapes_is_no_shapefile(tmp_path):
    path = sources.write_sample("shp", tmp_path)
    with pytest.raises(FormatUnknownError):
        sniff(path.with_suffix(".shx"))


def test_a_folder_must_be_a_geodatabase(tmp_path):
    with pytest.raises(FormatUnknownError, match="no file geodatabase"):
        sniff(tmp_path)


def test_an_empty_file_says_so(tmp_path):
    with pytest.raises(SourceEmptyError):
        sniff(write(tmp_path, b""))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('<!DOCTYPE kml [<!ENTITY a "x">]><kml>&a;</kml>', id="first"),
        pytest.param(
            '<?xml version="1.0"?>\n<!-- c -->\n<!DOCTYPE kml SYSTEM "file:///etc/passwd"><kml/>', id="late"
        ),
        pytest.param("\ufeff<!doctype kml><kml/>", id="lower case"),
    ],
)
def test_xml_with_a_doctype_is_refused(text, tmp_path):
    with pytest.raises(XmlDoctypeError):
        sniff(write(tmp_path, text))


def test_the_message_says_what_was_seen_and_what_is_supported(tmp_path):
    with pytest.raises(FormatUnknownError) as caught:
        sniff(write(tmp_path, b"\x00\x01hello", "a.geojson"), name="upload/a.geojson")
    assert caught.value.as_dict() == {
        "code": "FORMAT_UNKNOWN",
        "message": "upload/a.geojson: the format was not recognised; found '..hello' at the start, suffix '.geojson'",
        "hint": "Formats are told by their bytes, not by the file's name. Supported: "
        + ", ".join(FORMATS)
        + ".",
        "stage": None,
        "problems": [],
    }


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("GeoJSON", "geojson"), ("geojson", "geojsonseq"), ("GPKG", "geopackage"), ("ESRI Shapefile", "shapefile"),
        ("shp", "zip"), ("FileGDB", "filegdb"), ("OpenFileGDB", "zip"), ("fgb", "flatgeobuf"), ("KML", "kmz"),
        ("GTiff", "geotiff"), ("COG", "geotiff"), ("CSV", "gzip"), ("tsv", "csv"), ("NetCDF", "hdf5"),
        ("something new", "geojson"), ("", "geojson"),
    ],
)  # fmt: skip
def test_a_declared_format_that_fits_or_is_unknown_is_accepted(declared, found):
    check_declared(FORMATS[found], declared=declared, name="a")


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("GeoJSON", "geopackage"),
        ("ESRI_Shapefile", "geojson"),
        ("gpkg", "gzip"),
        ("CSV", "xlsx"),
        ("GML", "kml"),
    ],
)
def test_a_declared_format_that_does_not_fit_is_an_error(declared, found):
    with pytest.raises(FormatMismatchError, match=found):
        check_declared(FORMATS[found], declared=declared, name="a")


def test_known_names_lead_to_known_formats():
    assert set(KNOWN_FORMATS.values()) == set(FORMATS)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(min_size=1, max_size=300),
        st.text(min_size=1, alphabet='{}[]":,<>!?-\\ tyepFatur\x1e\n').map(str.encode),
    )
)
def test_any_bytes_are_recognised_or_refused(content, tmp_path):
    with contextlib.suppress(FormatUnknownError, XmlDoctypeError):
        assert sniff(write(tmp_path, content)).format in FORMATS


def test_sniffing_loads_no_heavy_library():
    heavy = "{'numpy', 'pyarrow', 'pyogrio', 'pyproj', 'shapely'}"
    code = f"import sys, geoingest.formats.sniff; sys.exit(bool({heavy} & set(sys.modules)))"
    environment = {"PYTHONPATH": str(Path(geoingest.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0


def test_shapefile_magic_needs_its_version_too(tmp_path):
    with pytest.raises(FormatUnknownError):
        sniff(write(tmp_path, struct.pack(">i", 9994) + bytes(40)))


def test_json_outline_agrees_with_a_parser(tmp_path):
    text = json.dumps({"x": [{"type": "a"}], "type": "Topology", "y": {"z": "}"}})
    assert sniff(write(tmp_path, text)).format == "topojson"
