from __future__ import annotations

import json
import shutil
import sqlite3
import struct
from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import sources
from geoingest.errors import PermanentError
from geoingest.errors.source import (
    CrsMissingError,
    CrsUnknownError,
    EncodingUnknownError,
    FormatMismatchError,
    LayerAmbiguousError,
    LayerNotFoundError,
    SourceUnreadableError,
    XmlDoctypeError,
)
from geoingest.formats.archive import unpack
from geoingest.formats.gdal_session import only_driver
from geoingest.formats.sniff import sniff
from geoingest.formats.vector_files import VectorLayer, is_all_null, open_layer, read_batches

POINT = {"type": "Point", "coordinates": [1.0, 2.0]}
WITH_MOMENT = ("geojson", "geojsonseq", "topojson", "gpkg", "fgb", "gml")


def open_file(path: Path, **options: object) -> VectorLayer:
    return open_layer(path, sniff(path), **options)


def rows_of(layer: VectorLayer) -> list[dict[str, object]]:
    return [row for batch in read_batches(layer) for row in batch.drop_columns(["geom"]).to_pylist()]


def geometries_of(layer: VectorLayer) -> list[shapely.Geometry | None]:
    return [
        geometry for batch in read_batches(layer) for geometry in shapely.from_wkb(batch["geom"].to_pylist())
    ]


def open_sample(file_format: str, folder: Path) -> VectorLayer:
    path = sources.write_sample(file_format, folder / "in")
    if file_format.endswith(".zip"):
        (folder / "out").mkdir()
        path = unpack(path, folder / "out").path
    return open_file(path)


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def write_features(
    folder: Path, *properties: dict[str, object] | None, geometry: object = POINT, **top: object
) -> Path:
    items = [{"type": "Feature", "properties": one, "geometry": geometry} for one in properties]
    return sources.write_json(
        folder / "places.geojson", {"type": "FeatureCollection", **top, "features": items}
    )


def write_text(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def column(folder: Path, *values: object) -> pa.ChunkedArray:
    """The column `a` of a GeoJSON file whose features have these values."""
    layer = open_file(write_features(folder, *({"a": value} for value in values)))
    return pa.Table.from_batches(read_batches(layer))["a"]


class TestEveryFormat:
    @pytest.mark.parametrize("file_format", list(sources.SAMPLES))
    def test_all_rows_come_out_with_their_values(self, file_format, tmp_path):
        layer = open_sample(file_format, tmp_path)
        table = pa.Table.from_batches(read_batches(layer))
        # FlatGeobuf stores rows in the order of its index.
        order = {(row.x, row.y): row for row in sources.ROWS}
        points = shapely.from_wkb(table["geom"].to_pylist())
        expected = [order[point.x, point.y] for point in points]
        assert len(expected) == len(order)
        for field in {"number", "name", "share", "flag"} & set(table.column_names):
            found = table[field].to_pylist()
            wanted = [getattr(row, field) for row in expected]
            if field == "number" and file_format in {"kml", "kmz"}:
                wanted = [None if value is None else str(value) for value in wanted]
            assert [value or None for value in found] == [value or None for value in wanted], field

    @pytest.mark.parametrize("file_format", list(sources.SAMPLES))
    def test_geometry_is_the_last_column_and_no_row_number_is_added(self, file_format, tmp_path):
        layer = open_sample(file_format, tmp_path)
        names = next(read_batches(layer)).schema.names
        assert names[-1] == "geom"
        assert names[:-1] == layer.schema.names
        assert not {"OGC_FID", "fid", "OBJECTID", "wkb_geometry"} & set(names)

    @pytest.mark.parametrize("file_format", list(sources.SAMPLES))
    def test_the_folder_of_the_input_stays_untouched(self, file_format, tmp_path):
        path = sources.write_sample(file_format, tmp_path / "in")
        if file_format == "gml":
            path.with_suffix(".xsd").unlink()
        if file_format.endswith(".zip"):
            (tmp_path / "out").mkdir()
            path = unpack(path, tmp_path / "out").path
        before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        for _ in read_batches(open_file(path, crs="EPSG:4326")):
            pass
        assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before

    @pytest.mark.parametrize("file_format", ["geojson", "gpkg", "fgb", "shp", "gml", "gdb"])
    def test_a_plain_read_by_pyogrio_agrees(self, file_format, tmp_path):
        layer = open_sample(file_format, tmp_path)
        _, oracle = pyogrio.read_arrow(layer.path)
        found = pa.Table.from_batches(read_batches(layer))
        for field in layer.schema.names:
            if pa.types.is_timestamp(found[field].type):
                continue
            assert found[field].to_pylist() == oracle[field].to_pylist()
        assert found["geom"].to_pylist() == oracle.column(oracle.num_columns - 1).to_pylist()

    @pytest.mark.parametrize("file_format", ["geojson", "geojsonseq", "gpkg", "topojson"])
    def test_types_are_exact(self, file_format, tmp_path):
        layer = open_sample(file_format, tmp_path)
        types = {field.name: field.type for field in layer.schema if field.name != "id"}
        assert types == {
            "number": pa.int64(),
            "name": pa.string(),
            "share": pa.float64(),
            "day": pa.date32(),
            "moment": pa.timestamp("ms", tz="UTC"),
            "flag": pa.bool_(),
        }

    @pytest.mark.parametrize("file_format", WITH_MOMENT)
    def test_instants_are_utc_to_the_millisecond(self, file_format, tmp_path):
        rows = rows_of(open_sample(file_format, tmp_path))
        assert {row["moment"] for row in rows} == {row.moment for row in sources.ROWS}

    @pytest.mark.parametrize("file_format", list(sources.SAMPLES))
    def test_the_crs_is_found_and_says_where_from(self, file_format, tmp_path):
        layer = open_sample(file_format, tmp_path)
        assert pyproj.CRS.from_json(layer.crs).equals("EPSG:4326", ignore_axis_order=True)
        assert layer.crs_from == ("format" if file_format == "topojson" else "data")

    def test_batches_hold_no_more_rows_than_asked_for(self, tmp_path):
        layer = open_sample("gpkg", tmp_path)
        assert [len(batch) for batch in read_batches(layer, batch_rows=2)] == [2, 2, 1]

    def test_a_raster_is_no_vector_file(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
        with pytest.raises(FormatMismatchError):
            open_file(path)


class TestGeometry:
    def test_z_and_m_survive(self, tmp_path):
        wkb = [
            struct.pack("<BIdd", 1, 1, 1, 2),
            struct.pack("<BIddd", 1, 1001, 1, 2, 3),
            struct.pack("<BIddd", 1, 2001, 1, 2, 4),
            struct.pack("<BIdddd", 1, 3001, 1, 2, 3, 4),
        ]
        table = pa.table({"a": [1, 2, 3, 4], "geometry": pa.array(wkb, pa.binary())})
        path = sources.write_vector(tmp_path / "a.gpkg", table, driver="GPKG", geometry_type="Unknown")
        assert [
            geometry for batch in read_batches(open_file(path)) for geometry in batch["geom"].to_pylist()
        ] == wkb

    def test_mixed_null_and_empty_geometries_are_kept(self, tmp_path):
        shapes = [
            shapely.Point(1, 2),
            None,
            shapely.Polygon(),
            shapely.from_wkt("MULTIPOLYGON (((0 0,1 0,1 1,0 0)))"),
        ]
        table = pa.table({"a": [1, 2, 3, 4], "geometry": pa.array(shapely.to_wkb(shapes), pa.binary())})
        path = sources.write_vector(tmp_path / "a.gpkg", table, driver="GPKG", geometry_type="Unknown")
        assert geometries_of(open_file(path)) == shapes

    def test_null_geometries_of_geojson_are_kept(self, tmp_path):
        layer = open_file(write_features(tmp_path, {"a": 1}, geometry=None))
        assert geometries_of(layer) == [None]

    @pytest.mark.parametrize(
        "geometry",
        [
            pytest.param({"type": "Pont", "coordinates": [1, 2]}, id="unknown type"),
            pytest.param({"type": "Point"}, id="no coordinates"),
            pytest.param({"type": "Point", "coordinates": ["1", 2]}, id="text"),
            pytest.param({"type": "Point", "coordinates": [1]}, id="one coordinate"),
            pytest.param({"type": "Point", "coordinates": [1, 2, 3, 4]}, id="four coordinates"),
            pytest.param({"type": "LineString", "coordinates": [[0, 0], [None, 1]]}, id="null inside"),
            pytest.param({"type": "LineString", "coordinates": [0, 0]}, id="too shallow"),
            pytest.param({"type": "Point", "coordinates": [[0, 0]]}, id="too deep"),
            pytest.param({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}, id="open ring"),
            pytest.param(
                {"type": "GeometryCollection", "geometries": [POINT, {"type": "Point"}]}, id="member"
            ),
            pytest.param("POINT (1 2)", id="no object"),
        ],
    )
    def test_a_geometry_that_gdal_would_drop_is_an_error(self, geometry, tmp_path):
        with pytest.raises(SourceUnreadableError, match="feature 1"):
            open_file(write_features(tmp_path, {"a": 1}, geometry=geometry))

    def test_positions_of_two_and_three_coordinates_may_be_mixed(self, tmp_path):
        line = {"type": "LineString", "coordinates": [[0, 0], [1, 1, 5]]}
        [geometry] = geometries_of(open_file(write_features(tmp_path, {"a": 1}, geometry=line)))
        assert shapely.get_coordinates(geometry, include_z=True)[1].tolist() == [1, 1, 5]

    def test_a_point_without_coordinates_is_null(self, tmp_path):
        layer = open_file(write_features(tmp_path, {"a": 1}, geometry={"type": "Point", "coordinates": []}))
        assert geometries_of(layer) == [None]


class TestGeojsonValues:
    def test_integers_beyond_64_bits_stay_exact_as_text(self, tmp_path):
        found = column(tmp_path, 9223372036854775808, -1, None)
        assert found.to_pylist() == ["9223372036854775808", "-1", None]

    def test_integers_that_a_float_would_round_stay_exact_beside_floats(self, tmp_path):
        assert column(tmp_path, 9007199254740993, 0.5).to_pylist() == ["9007199254740993", "0.5"]

    def test_one_float_at_the_end_makes_the_column_float(self, tmp_path):
        found = column(tmp_path, *range(70_000), 0.5)
        assert found.type == pa.float64()
        assert found[-1].as_py() == 0.5

    def test_mixed_types_are_text(self, tmp_path):
        found = column(tmp_path, 1, "a", True, {"b": [1]}, None)
        assert found.type == pa.string()
        assert found.to_pylist()[:2] == ["1", "a"]

    def test_booleans_do_not_become_numbers(self, tmp_path):
        assert column(tmp_path, True, 2).to_pylist() == ["true", "2"]

    def test_objects_are_text_marked_as_json(self, tmp_path):
        layer = open_file(write_features(tmp_path, {"a": {"b": [1, None]}}, {"a": None}))
        assert layer.schema.field("a").metadata == {b"logical": b"json"}
        [first, second] = [row["a"] for row in rows_of(layer)]
        assert (json.loads(first), second) == ({"b": [1, None]}, None)

    def test_lists_of_one_type_stay_lists(self, tmp_path):
        assert column(tmp_path, [1, 2], []).to_pylist() == [[1, 2], []]

    def test_integers_beyond_64_bits_in_lists_stay_exact(self, tmp_path):
        found = column(tmp_path, [1, 2**70])
        assert json.loads(found[0].as_py()) == [1, 2**70]

    @pytest.mark.parametrize(
        ("values", "expected", "kind"),
        [
            pytest.param(
                ["2024-01-01T12:00:00+01:00", "2024-01-01T12:00:00-05:00"],
                [datetime(2024, 1, 1, 11, tzinfo=UTC), datetime(2024, 1, 1, 17, tzinfo=UTC)],
                pa.timestamp("ms", tz="UTC"),
                id="mixed zones are instants",
            ),
            pytest.param(
                ["2024-01-01T12:00:00.123456Z"],
                [datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)],
                pa.timestamp("us", tz="UTC"),
                id="microseconds",
            ),
            pytest.param(
                ["2024-01-01T12:00:00.5"],
                [datetime(2024, 1, 1, 12, 0, 0, 500000)],  # noqa: DTZ001
                pa.timestamp("ms"),
                id="local",
            ),
            pytest.param(
                ["2024-01-01T12:00:00Z", "2024-01-01T12:00:00"],
                ["2024-01-01T12:00:00Z", "2024-01-01T12:00:00"],
                pa.string(),
                id="with and without zone",
            ),
            pytest.param(["2024-01-01", "2024-01-01T12:00:00Z"], None, pa.string(), id="day and instant"),
            pytest.param(["2024-02-30"], ["2024-02-30"], pa.string(), id="no such day"),
            pytest.param(["2024/01/02"], ["2024/01/02"], pa.string(), id="ambiguous day"),
            pytest.param(["0001-01-01", "9999-12-31"], [date.min, date.max], pa.date32(), id="days"),
            pytest.param(["23:59:59.5", None], [time(23, 59, 59, 500000), None], pa.time32("ms"), id="time"),
            pytest.param(["12:00:00.000001"], [time(12, 0, 0, 1)], pa.time64("us"), id="fine time"),
        ],
    )
    @pytest.mark.parametrize("sequence", [False, True], ids=["collection", "sequence"])
    def test_dates_and_times_are_exact(self, values, expected, kind, sequence, tmp_path):
        path = write_features(tmp_path, *({"a": value} for value in values))
        if sequence:
            lines = map(json.dumps, json.loads(path.read_text())["features"])
            path = write_text(tmp_path, "places.geojsonl", "\n".join(lines) + "\n")
        table = pa.Table.from_batches(read_batches(open_file(path)))
        assert table["a"].type == kind
        assert table["a"].to_pylist() == (values if expected is None else expected)

    @settings(max_examples=150, deadline=None)
    @given(
        values=st.lists(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(-(2**70), 2**70),
                st.floats(allow_nan=False, allow_infinity=False),
                st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
                st.sampled_from(["2024-01-02", "12:00:00", "2024-01-02T12:00:00Z", "NaN", "1", ""]),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def test_no_value_ever_changes(self, values, tmp_path_factory):
        found = column(tmp_path_factory.mktemp("values"), *values).to_pylist()
        for value, result in zip(values, found, strict=True):
            if isinstance(result, str) and not isinstance(value, str):
                assert json.loads(result) == value
            elif isinstance(result, (date, time)):
                assert result.isoformat().replace("+00:00", "Z") == value
            else:
                assert (result, result is None) == (value, value is None)

    @pytest.mark.parametrize("text", ["a\0b", "\ud800", {"b": ["\0"]}])
    def test_text_that_gdal_would_cut_is_an_error(self, text, tmp_path):
        path = tmp_path / "a.geojson"
        feature = {"type": "Feature", "properties": {"a": text}, "geometry": None}
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        with pytest.raises(SourceUnreadableError, match="property 'a'"):
            open_file(path)

    def test_numeric_feature_ids_are_kept(self, tmp_path):
        features = [
            {"type": "Feature", "id": n, "properties": {"a": 1}, "geometry": POINT} for n in (7, 7, 2**60)
        ]
        path = sources.write_json(tmp_path / "a.geojson", {"type": "FeatureCollection", "features": features})
        assert [row["id"] for row in rows_of(open_file(path))] == [7, 7, 2**60]

    def test_members_that_are_not_read_are_told(self, tmp_path):
        feature = {"type": "Feature", "extra": 1, "properties": {}, "geometry": POINT}
        path = sources.write_json(
            tmp_path / "a.geojson", {"type": "FeatureCollection", "features": [feature]}
        )
        assert open_file(path).warnings == (
            "a.geojson: members of features outside `properties` are not read: extra",
        )


class TestGeojsonFiles:
    def test_type_may_come_last(self, tmp_path):
        text = json.dumps({"name": "x" * 20_000, "features": sources.features(), "type": "FeatureCollection"})
        assert len(rows_of(open_file(write_text(tmp_path, "a.geojson", text)))) == len(sources.ROWS)

    def test_a_byte_order_mark_is_no_obstacle(self, tmp_path):
        path = write_features(tmp_path, {"a": "é"})
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert rows_of(open_file(path)) == [{"a": "é"}]

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(
                json.dumps({"type": "Feature", "properties": {"a": 1}, "geometry": POINT}), id="feature"
            ),
            pytest.param(json.dumps(POINT), id="geometry"),
        ],
    )
    def test_a_bare_feature_or_geometry_is_one_row(self, text, tmp_path):
        assert geometries_of(open_file(write_text(tmp_path, "a.geojson", text))) == [shapely.Point(1, 2)]

    def test_no_features_are_no_rows(self, tmp_path):
        layer = open_file(write_features(tmp_path))
        assert (list(read_batches(layer)), layer.features) == ([], 0)

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
    @pytest.mark.parametrize("file_format", ["geojson", "geojsonseq", "topojson", "kml", "gml", "fgb"])
    def test_a_truncated_file_is_an_error(self, file_format, share, tmp_path):
        path = sources.write_sample(file_format, tmp_path)
        content = path.read_bytes().rstrip()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(SourceUnreadableError):
            rows_of(open_file(path, crs="EPSG:4326"))

    @pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
    def test_a_truncated_geopackage_is_an_error(self, share, tmp_path):
        path = sources.write_sample("gpkg", tmp_path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(SourceUnreadableError):
            rows_of(open_file(path))

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param('{"type":"FeatureCollection","features":[]} garbage', id="text after the end"),
            pytest.param('{"type":"FeatureCollection","features":[5]}', id="no feature"),
            pytest.param('{"type":"FeatureCollection","features":{}}', id="features no array"),
            pytest.param('{"type":"FeatureCollection"}', id="no features"),
            pytest.param('{"type":"Feature","properties":{"a":NaN},"geometry":null}', id="NaN"),
            pytest.param('{"type":"Feature","properties":[1],"geometry":null}', id="properties no object"),
        ],
    )
    def test_broken_collections_are_errors(self, text, tmp_path):
        with pytest.raises(SourceUnreadableError):
            open_file(write_text(tmp_path, "a.geojson", text))

    def test_text_that_is_not_utf8_is_an_error(self, tmp_path):
        path = write_features(tmp_path, {"a": "x"})
        path.write_bytes(path.read_bytes().replace(b'"x"', b'"\xe9"'))
        with pytest.raises(SourceUnreadableError, match="UTF-8"):
            open_file(path)

    def test_deep_nesting_is_an_error_and_no_crash(self, tmp_path):
        text = '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"a":' + "[" * 200_000
        with pytest.raises(SourceUnreadableError):
            open_file(write_text(tmp_path, "a.geojson", text))

    @pytest.mark.parametrize(
        ("first", "second"),
        [pytest.param("\x1e", "\n\x1e", id="record separators"), pytest.param("", "\n\n", id="blank lines")],
    )
    def test_sequences_may_span_lines_and_be_separated(self, first, second, tmp_path):
        feature = json.dumps({"type": "Feature", "properties": {"a": 1}, "geometry": POINT}, indent=1)
        path = write_text(tmp_path, "a.geojsonl", first + feature + second + feature + "\n")
        assert rows_of(open_file(path)) == [{"a": 1}, {"a": 1}]

    def test_a_broken_line_of_a_sequence_is_an_error(self, tmp_path):
        path = sources.write_sample("geojsonseq", tmp_path)
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([*lines[:2], lines[2][:-5], *lines[3:]]), encoding="utf-8")
        with pytest.raises(SourceUnreadableError):
            open_file(path)

    def test_features_larger_than_a_chunk_are_read(self, tmp_path):
        coordinates = np.column_stack([np.linspace(0, 1, 150_000), np.linspace(1, 2, 150_000)])
        line = {"type": "LineString", "coordinates": coordinates.tolist()}
        [geometry] = geometries_of(open_file(write_features(tmp_path, {"a": 1}, geometry=line)))
        assert np.array_equal(shapely.get_coordinates(geometry), coordinates)


class TestCrs:
    def test_geojson_without_crs_is_wgs84_by_its_standard(self, tmp_path):
        layer = open_file(write_features(tmp_path, {"a": 1}))
        assert (pyproj.CRS.from_json(layer.crs), layer.crs_from) == (pyproj.CRS("EPSG:4326"), "data")

    @pytest.mark.parametrize(
        "crs",
        [
            pytest.param({"type": "name", "properties": {"name": "EPSG:2193"}}, id="code"),
            pytest.param({"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2193"}}, id="urn"),
            pytest.param({"type": "EPSG", "properties": {"code": 2193}}, id="legacy"),
        ],
    )
    @pytest.mark.parametrize("late", [False, True])
    def test_the_crs_member_of_geojson_is_used(self, crs, late, tmp_path):
        path = write_features(tmp_path, {"a": 1}, crs=crs)
        if late:
            document = json.loads(path.read_text())
            path.write_text(json.dumps({**{k: v for k, v in document.items() if k != "crs"}, "crs": crs}))
        assert pyproj.CRS.from_json(open_file(path).crs) == pyproj.CRS("EPSG:2193")

    @pytest.mark.parametrize(
        "crs",
        [
            pytest.param({"type": "name", "properties": {"name": "nonsense"}}, id="nonsense"),
            pytest.param({"type": "name", "properties": {"name": "/etc/passwd"}}, id="path"),
            pytest.param({"type": "name", "properties": {"name": "+proj=utm +zone=1"}}, id="proj string"),
            pytest.param(
                {"type": "link", "properties": {"href": "http://127.0.0.1/x", "type": "proj4"}}, id="link"
            ),
            pytest.param(5, id="number"),
        ],
    )
    def test_an_odd_crs_member_is_an_error_and_not_wgs84(self, crs, tmp_path):
        with pytest.raises(CrsUnknownError):
            open_file(write_features(tmp_path, {"a": 1}, crs=crs))

    def test_a_null_crs_member_means_unknown(self, tmp_path):
        path = write_features(tmp_path, {"a": 1}, crs=None)
        with pytest.raises(CrsMissingError):
            open_file(path)
        assert open_file(path, crs="EPSG:2193").crs_from == "manifest"

    def test_no_crs_and_no_override_is_an_error(self, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        path.with_suffix(".prj").unlink()
        with pytest.raises(CrsMissingError, match="places"):
            open_file(path)

    def test_the_manifest_fills_a_missing_crs(self, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        path.with_suffix(".prj").unlink()
        layer = open_file(path, crs="EPSG:28355")
        assert (pyproj.CRS.from_json(layer.crs), layer.crs_from, layer.warnings) == (
            pyproj.CRS("EPSG:28355"),
            "manifest",
            (),
        )

    def test_the_datas_crs_wins_and_the_user_hears_of_it(self, tmp_path):
        layer = open_file(sources.write_sample("gpkg", tmp_path), crs="EPSG:28355")
        assert (pyproj.CRS.from_json(layer.crs), layer.crs_from) == (pyproj.CRS("EPSG:4326"), "data")
        assert layer.warnings == (
            "places.gpkg: the manifest says EPSG:28355, the data says EPSG:4326; the data's was kept",
        )

    def test_force_replaces_the_datas_crs_and_the_user_hears_of_it(self, tmp_path):
        layer = open_file(sources.write_sample("gpkg", tmp_path), crs="EPSG:28355", force_crs=True)
        assert (pyproj.CRS.from_json(layer.crs), layer.crs_from) == (pyproj.CRS("EPSG:28355"), "manifest")
        assert len(layer.warnings) == 1

    @pytest.mark.parametrize(
        "prj", [b"nonsense", b"PROJCS[\xff\xfe", b'GEOGCS["x",DATUM["y"', b"+proj=longlat"]
    )
    def test_an_odd_prj_is_an_error_that_only_force_overrides(self, prj, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        path.with_suffix(".prj").write_bytes(prj)
        for crs in (None, "EPSG:2193"):
            with pytest.raises(CrsUnknownError):
                open_file(path, crs=crs)
        layer = open_file(path, crs="EPSG:2193", force_crs=True)
        assert (pyproj.CRS.from_json(layer.crs), layer.crs_from) == (pyproj.CRS("EPSG:2193"), "manifest")

    def test_a_prj_with_accents_in_latin1_is_read(self, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        wkt = pyproj.CRS("EPSG:2154").to_wkt("WKT1_ESRI").replace('"RGF_1993', '"Système_1993', 1)
        path.with_suffix(".prj").write_bytes(wkt.encode("latin-1"))
        assert pyproj.CRS.from_json(open_file(path).crs).ellipsoid.name == "GRS 1980"

    def test_an_empty_prj_is_none(self, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        path.with_suffix(".prj").write_bytes(b" \n")
        with pytest.raises(CrsMissingError):
            open_file(path)

    def test_undefined_srs_of_a_geopackage_counts_as_missing(self, tmp_path):
        path = sources.write_sample("gpkg", tmp_path)
        with sqlite3.connect(path) as database:
            database.execute("UPDATE gpkg_geometry_columns SET srs_id = -1")
            database.execute("UPDATE gpkg_contents SET srs_id = -1")
        database.close()
        with pytest.raises(CrsMissingError):
            open_file(path)

    @pytest.mark.parametrize("code", ["EPSG:28355", "EPSG:7844", "EPSG:3857", "EPSG:2056", "ESRI:102001"])
    def test_a_prj_of_esri_is_recognised(self, code, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        path.with_suffix(".prj").write_text(pyproj.CRS(code).to_wkt("WKT1_ESRI"))
        found = pyproj.CRS.from_json(open_file(path).crs)
        assert found.equals(pyproj.CRS(code), ignore_axis_order=True) or found.to_authority() == tuple(
            code.split(":")
        )

    @pytest.mark.parametrize(
        ("srs", "expected"),
        [
            pytest.param("urn:ogc:def:crs:EPSG::4326", [47.5, 8.25], id="urn is latitude first"),
            pytest.param("EPSG:4326", [8.25, 47.5], id="short name is longitude first"),
        ],
    )
    def test_gml_comes_out_as_x_y(self, srs, expected, tmp_path):
        gml = (
            '<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml" xmlns:a="http://a"><gml:featureMember>'
            f'<a:p gml:id="1"><a:g><gml:Point srsName="{srs}"><gml:pos>{expected[0]} {expected[1]}</gml:pos>'
            "</gml:Point></a:g></a:p></gml:featureMember></gml:FeatureCollection>"
        )
        assert geometries_of(open_file(write_text(tmp_path, "a.gml", gml))) == [shapely.Point(8.25, 47.5)]


class TestLayers:
    def test_a_geopackage_in_wal_mode_gets_no_files_beside_it(self, tmp_path):
        path = sources.write_sample("gpkg", tmp_path)
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA journal_mode=WAL")
        database.close()
        assert names_in(tmp_path) == ["places.gpkg"]
        stream = read_batches(open_file(path))
        next(stream)
        assert names_in(tmp_path) == ["places.gpkg"]
        stream.close()

    def two_layers(self, folder: Path) -> Path:
        path = sources.write_sample("gpkg", folder)
        return sources.write_vector(
            path, sources.sample_table("name"), driver="GPKG", layer="others", append=True
        )

    def test_several_layers_are_refused_with_the_list(self, tmp_path):
        with pytest.raises(LayerAmbiguousError, match="'places', 'others'"):
            open_file(self.two_layers(tmp_path))

    def test_the_named_layer_is_read(self, tmp_path):
        assert open_file(self.two_layers(tmp_path), layer="others").schema.names == ["name"]

    def test_a_wrong_layer_lists_the_known_ones(self, tmp_path):
        with pytest.raises(LayerNotFoundError, match="'places', 'others'"):
            open_file(self.two_layers(tmp_path), layer="Places")

    def test_tables_without_geometry_do_not_count(self, tmp_path):
        path = sources.write_sample("gpkg", tmp_path)
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE layer_styles (id INTEGER PRIMARY KEY, styleQML TEXT)")
            database.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('layer_styles','attributes','s')"
            )
        database.close()
        assert open_file(path).layer == "places"

    def test_a_file_of_tables_only_has_no_layer(self, tmp_path):
        table = pa.table({"a": [1]})
        path = tmp_path / "a.gpkg"
        pyogrio.write_arrow(table, path, driver="GPKG", layer="t", geometry_type=None)
        with pytest.raises(LayerNotFoundError, match="no layer with geometry"):
            open_file(path)


class TestShapefiles:
    def test_a_missing_index_is_rebuilt_elsewhere(self, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        path.with_suffix(".shx").unlink()
        before = names_in(tmp_path)
        assert len(rows_of(open_file(path))) == len(sources.ROWS)
        assert names_in(tmp_path) == before

    def test_a_missing_table_leaves_the_shapes(self, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        path.with_suffix(".dbf").unlink()
        layer = open_file(path)
        assert (layer.schema.names, len(geometries_of(layer)), len(layer.warnings)) == (
            [],
            len(sources.ROWS),
            1,
        )

    def test_parts_are_found_whatever_the_case_of_their_names(self, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        path.with_suffix(".dbf").rename(tmp_path / "PLACES.Dbf")
        path.with_suffix(".prj").rename(tmp_path / "Places.PRJ")
        layer = open_file(path)
        assert (layer.schema.names[0], layer.crs_from) == ("number", "data")

    @pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf"])
    def test_a_truncated_part_is_an_error(self, suffix, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        part = path.with_suffix(suffix)
        part.write_bytes(part.read_bytes()[:-30])
        with pytest.raises(SourceUnreadableError):
            rows_of(open_file(path))

    def test_rows_and_shapes_must_be_as_many(self, tmp_path):
        path = sources.write_sample("shp", tmp_path)
        write_dbf(path.with_suffix(".dbf"), [b"one"])
        with pytest.raises(SourceUnreadableError, match=r"5 shapes and its \.dbf 1 rows"):
            open_file(path)

    def test_deleted_rows_are_left_out_and_told(self, tmp_path):
        path = write_shapefile(tmp_path, [b"one", b"two"])
        content = bytearray(path.with_suffix(".dbf").read_bytes())
        content[65] = ord("*")
        path.with_suffix(".dbf").write_bytes(content)
        layer = open_file(path)
        assert rows_of(layer) == [{"NAME": "two"}]
        assert layer.warnings == ("a.shp: 1 rows are marked as deleted in the .dbf and were left out",)

    @pytest.mark.parametrize(
        ("text", "parts", "given", "expected"),
        [
            pytest.param("Größe", {"codec": "cp1252", "cpg": "1252"}, None, ("cp1252", "cpg", 0), id="cpg"),
            pytest.param(
                "Größe",
                {"codec": "cp1252", "cpg": "ANSI 1252", "ldid": 0xC9},
                None,
                ("cp1252", "cpg", 0),
                id="cpg first",
            ),
            pytest.param(
                "Größe", {"codec": "latin-1", "cpg": "88591"}, None, ("iso8859-1", "cpg", 0), id="cpg digits"
            ),
            pytest.param(
                "Größe",
                {"codec": "utf-8", "cpg": "UTF-8", "ldid": 0x57},
                None,
                ("utf-8", "cpg", 0),
                id="cpg utf-8",
            ),
            pytest.param("Москва", {"codec": "cp1251", "ldid": 0xC9}, None, ("cp1251", "ldid", 0), id="ldid"),
            pytest.param("中", {"codec": "gbk", "ldid": 0x4D}, None, ("gbk", "ldid", 0), id="ldid gbk"),
            pytest.param(
                "é", {"codec": "cp437", "ldid": 1}, "cp1252", ("cp437", "ldid", 1), id="ldid before manifest"
            ),
            pytest.param("Größe", {"codec": "utf-8"}, None, ("utf-8", "detected", 0), id="detected"),
            pytest.param(
                "Größe", {"codec": "utf-8", "ldid": 0x57}, None, ("utf-8", "detected", 0), id="ansi ldid"
            ),
            pytest.param(
                "Москва",
                {"codec": "cp1251", "ldid": 0x57},
                "windows-1251",
                ("cp1251", "manifest", 0),
                id="manifest",
            ),
            pytest.param(
                "東京", {"codec": "shift_jis"}, "Shift_JIS", ("shift_jis", "manifest", 0), id="shift-jis"
            ),
            pytest.param("서울", {"codec": "euc_kr"}, "EUC-KR", ("euc_kr", "manifest", 0), id="euc-kr"),
            pytest.param("臺北", {"codec": "big5"}, "Big5", ("big5", "manifest", 0), id="big5"),
            pytest.param("Größe", {"codec": "cp1252"}, None, ("cp1252", "assumed", 1), id="assumed"),
        ],
    )
    def test_text_is_decoded_by_what_the_files_say(self, text, parts, given, expected, tmp_path):
        rows = [text.encode(parts["codec"]), b"x"]
        path = write_shapefile(tmp_path, rows, ldid=parts.get("ldid", 0), cpg=parts.get("cpg"))
        layer = open_file(path, encoding=given)
        assert (layer.encoding, layer.encoding_from, len(layer.warnings)) == expected
        assert rows_of(layer) == [{"NAME": text}, {"NAME": "x"}]

    @pytest.mark.parametrize(
        ("data", "cpg", "given"),
        [
            pytest.param("é".encode("cp1252"), "UTF-8", None, id="cpg that lies"),
            pytest.param(b"\x81\xff", None, None, id="nothing fits"),
            pytest.param("é".encode("cp1252"), None, "ascii", id="manifest that lies"),
            pytest.param(b"x", None, "no-such", id="no such encoding"),
        ],
    )
    def test_text_that_does_not_fit_is_an_error_every_time(self, data, cpg, given, tmp_path):
        path = write_shapefile(tmp_path, [data], cpg=cpg)
        for _ in range(2):
            with pytest.raises(EncodingUnknownError):
                open_file(path, encoding=given)

    def test_an_unknown_cpg_is_told_and_not_used(self, tmp_path):
        layer = open_file(write_shapefile(tmp_path, ["é".encode()], cpg="nonsense"))
        assert (layer.encoding_from, len(layer.warnings)) == ("detected", 1)

    def test_polygons_and_multipolygons_stay_as_the_driver_gives_them(self, tmp_path):
        shapes = [
            shapely.box(0, 0, 1, 1),
            shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)]),
        ]
        table = pa.table({"a": [1, 2], "geometry": pa.array(shapely.to_wkb(shapes), pa.binary())})
        path = sources.write_vector(
            tmp_path / "a.shp", table, driver="ESRI Shapefile", geometry_type="Polygon"
        )
        assert [geometry.geom_type for geometry in geometries_of(open_file(path))] == [
            "Polygon",
            "MultiPolygon",
        ]

    def test_null_shapes_are_null(self, tmp_path):
        table = pa.table(
            {"a": [1, 2], "geometry": pa.array([shapely.to_wkb(shapely.Point(1, 2)), None], pa.binary())}
        )
        path = sources.write_vector(tmp_path / "a.shp", table, driver="ESRI Shapefile")
        for index in (True, False):
            if not index:
                path.with_suffix(".shx").unlink()
            assert geometries_of(open_file(path)) == [shapely.Point(1, 2), None]


class TestTopojson:
    def write(self, folder: Path, *geometries: dict[str, object], arcs: list[object]) -> Path:
        places = {"type": "GeometryCollection", "geometries": list(geometries)}
        return sources.write_json(
            folder / "a.topojson", {"type": "Topology", "objects": {"places": places}, "arcs": arcs}
        )

    def test_shared_arcs_are_put_together(self, tmp_path):
        shape = {"type": "Polygon", "arcs": [[0, ~1]], "properties": {"a": 1}}
        path = self.write(tmp_path, shape, arcs=[[[0, 0], [1, 0], [1, 1]], [[0, 0], [0, 1], [1, 1]]])
        [found] = geometries_of(open_file(path, crs="EPSG:4326"))
        assert found.equals(shapely.box(0, 0, 1, 1))

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            pytest.param([2**63, None], ["9223372036854775808", None], id="beyond 64 bits"),
            pytest.param([2**53 + 1, 0.5], ["9007199254740993", "0.5"], id="rounded by a float"),
            pytest.param([True, 2], ["true", "2"], id="boolean and number"),
        ],
    )
    def test_values_stay_exact(self, values, expected, tmp_path):
        points = [{**POINT, "properties": {"a": value}} for value in values]
        layer = open_file(self.write(tmp_path, *points, arcs=[]), crs="EPSG:4326")
        assert [row["a"] for row in rows_of(layer)] == expected

    @pytest.mark.parametrize(
        ("geometry", "arcs"),
        [
            pytest.param({"type": "LineString", "arcs": [5]}, [], id="no such arc"),
            pytest.param({"type": "LineString", "arcs": ["0"]}, [[[0, 0], [1, 1]]], id="arc by text"),
            pytest.param({"type": "Point", "coordinates": ["x", 1]}, [], id="text as a coordinate"),
            pytest.param({"type": "MultiPoint", "coordinates": [[1]]}, [], id="one coordinate"),
            pytest.param({"type": "LineString", "arcs": [0]}, [[["x", 0]]], id="text in an arc"),
        ],
    )
    def test_what_gdal_would_make_empty_is_an_error(self, geometry, arcs, tmp_path):
        with pytest.raises(SourceUnreadableError):
            open_file(self.write(tmp_path, geometry, arcs=arcs), crs="EPSG:4326")

    def test_the_crs_is_the_one_of_geojson_unless_the_manifest_names_another(self, tmp_path):
        path = self.write(tmp_path, {**POINT, "properties": {}}, arcs=[])
        by_format, named = open_file(path), open_file(path, crs="EPSG:2056")
        assert [(layer.crs_from, json.loads(layer.crs)["id"]["code"]) for layer in (by_format, named)] == [
            ("format", 4326),
            ("manifest", 2056),
        ]


class TestXml:
    KML = (
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{schema}<Placemark id="a"><name>A</name>{data}'
        "<Point><coordinates>1,2</coordinates></Point></Placemark></Document></kml>"
    )
    SCHEMA = '<Schema name="s" id="s"><SimpleField type="int" name="n"/><SimpleField type="double" name="d"/></Schema>'
    TYPED = (
        '<ExtendedData><SchemaData schemaUrl="#s"><SimpleData name="n">5</SimpleData>'
        '<SimpleData name="d">0.5</SimpleData></SchemaData>{more}</ExtendedData>'
    )

    def test_kml_has_names_and_typed_extended_data_and_no_drawing_hints(self, tmp_path):
        text = self.KML.format(schema=self.SCHEMA, data=self.TYPED.format(more=""))
        assert rows_of(open_file(write_text(tmp_path, "a.kml", text))) == [
            {"id": "a", "Name": "A", "n": 5, "d": 0.5}
        ]

    def test_kml_time_stamps_are_kept_when_there_are_any(self, tmp_path):
        stamp = "<TimeStamp><when>2020-01-01T00:00:00Z</when></TimeStamp>"
        [row] = rows_of(open_file(write_text(tmp_path, "a.kml", self.KML.format(schema="", data=stamp))))
        assert row["timestamp"] == datetime(2020, 1, 1, tzinfo=UTC)

    def test_kml_values_that_are_not_read_are_told(self, tmp_path):
        more = '<Data name="u"><value>q</value></Data>'
        text = self.KML.format(schema=self.SCHEMA, data=self.TYPED.format(more=more))
        assert "untyped <Data>" in open_file(write_text(tmp_path, "a.kml", text)).warnings[0]

    def test_a_doctype_after_the_first_megabyte_is_refused_too(self, tmp_path):
        text = f"<!--{'x' * 1000}--><!DOCTYPE kml>" + self.KML.format(schema="", data="")
        with pytest.raises(XmlDoctypeError):
            open_file(write_text(tmp_path, "a.kml", text))

    @pytest.mark.parametrize("text", ["a,2", "1,", "1;2", "1,2,3 x", "0x10,2", "1,2\u0661"])
    def test_coordinates_that_are_no_numbers_are_an_error(self, text, tmp_path):
        kml = self.KML.format(schema="", data="").replace("1,2</", f"{text}</")
        with pytest.raises(SourceUnreadableError, match="no numbers"):
            open_file(write_text(tmp_path, "a.kml", kml))

    @pytest.mark.parametrize("text", ["1,2", " 1.5,-2e1,+.5\n", "\n 1 , 2 "])
    def test_coordinates_that_are_numbers_are_read(self, text, tmp_path):
        kml = self.KML.format(schema="", data="").replace("1,2</", f"{text}</")
        assert len(geometries_of(open_file(write_text(tmp_path, "a.kml", kml)))) == 1

    def test_damaged_xml_is_an_error_with_its_line(self, tmp_path):
        text = self.KML.format(schema="", data="\n<unclosed>")
        with pytest.raises(SourceUnreadableError, match="line 2"):
            open_file(write_text(tmp_path, "a.kml", text))


class TestGdal:
    @pytest.mark.parametrize(
        "text",
        [
            pytest.param('<OGRVRTDataSource><OGRVRTLayer name="x"/></OGRVRTDataSource>', id="vrt"),
            pytest.param('{"type":"gdal_streamed_alg","command_line":"gdal vector pipeline"}', id="gdalg"),
        ],
    )
    def test_other_drivers_are_out_of_reach(self, text, tmp_path):
        path = write_text(tmp_path, "a.geojson", text)
        with only_driver("GeoJSON"):
            assert list(pyogrio.list_drivers()) == ["GeoJSON"]
            with pytest.raises(pyogrio.errors.DataSourceError, match="not recognized"):
                pyogrio.read_info(path)

    def test_every_driver_is_back_afterwards(self):
        before = set(pyogrio.list_drivers())
        with only_driver("GML"):
            pass
        assert set(pyogrio.list_drivers()) == before

    def test_a_second_driver_must_wait(self, tmp_path):
        stream = read_batches(open_sample("gpkg", tmp_path), batch_rows=1)
        next(stream)
        with pytest.raises(RuntimeError, match="must wait"), only_driver("GML"):
            pass
        stream.close()

    @pytest.mark.parametrize(
        "file_format", sorted(set(sources.SAMPLES) - {"gdb", "gdb.zip", "kmz", "shp.zip"})
    )
    def test_random_damage_is_an_error_of_ours_or_reads(self, file_format, tmp_path):
        path = sources.write_sample(file_format, tmp_path)
        content = path.read_bytes()
        random = np.random.default_rng(7)
        for _ in range(25):
            damaged = bytearray(content)
            for at in random.integers(0, len(content), size=8):
                damaged[at] = random.integers(0, 256)
            path.write_bytes(damaged)
            try:
                rows_of(open_file(path, crs="EPSG:4326"))
            except PermanentError:
                continue

    def test_coded_values_are_the_codes(self, tmp_path):
        path = sources.write_vector(
            tmp_path / "a.gpkg", sources.sample_table("name"), driver="GPKG", layer="a"
        )
        with sqlite3.connect(path) as database:
            database.executescript(
                """
                ALTER TABLE a ADD COLUMN kind INTEGER DEFAULT 7;
                CREATE TABLE gpkg_data_columns (table_name TEXT, column_name TEXT, name TEXT, title TEXT,
                    description TEXT, mime_type TEXT, constraint_name TEXT);
                CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT, constraint_type TEXT, value TEXT,
                    min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT);
                INSERT INTO gpkg_extensions VALUES ('gpkg_data_columns', NULL, 'gpkg_schema', 'x', 'read-write');
                INSERT INTO gpkg_extensions VALUES
                    ('gpkg_data_column_constraints', NULL, 'gpkg_schema', 'x', 'read-write');
                INSERT INTO gpkg_data_columns VALUES ('a', 'kind', NULL, NULL, NULL, NULL, 'kinds');
                INSERT INTO gpkg_data_column_constraints VALUES
                    ('kinds', 'enum', '7', NULL, NULL, NULL, NULL, 'seven'),
                    ('kinds', 'enum', '3', NULL, NULL, NULL, NULL, 'three');
                """
            )
        database.close()
        layer = open_file(path)
        assert pa.types.is_integer(layer.schema.field("kind").type)
        assert {row["kind"] for row in rows_of(layer)} == {7}

    def test_is_all_null_tells_columns_without_values(self, tmp_path):
        layer = open_file(write_features(tmp_path, {"a": None, "b": 1}, {"a": None, "b": None}))
        assert (is_all_null(layer, "a"), is_all_null(layer, "b")) == (True, False)

    @pytest.mark.parametrize("suffix", [".gdbtable", ".gdbtablx"])
    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
    def test_a_file_geodatabase_with_a_truncated_table_is_an_error(self, share, suffix, tmp_path):
        path = sources.write_sample("gdb", tmp_path)
        part = path / f"a00000009{suffix}"
        part.write_bytes(part.read_bytes()[: int(part.stat().st_size * share)])
        with pytest.raises(SourceUnreadableError):
            rows_of(open_file(path))

    def test_a_damaged_table_of_a_file_geodatabase_is_not_an_empty_layer(self, tmp_path):
        path = sources.write_sample("gdb", tmp_path)
        part = path / "a00000009.gdbtable"
        content = bytearray(part.read_bytes())
        content[32] ^= 0xFF
        part.write_bytes(content)
        with pytest.raises(SourceUnreadableError, match="cannot be opened"):
            rows_of(open_file(path))

    def test_an_empty_layer_of_a_file_geodatabase_is_empty(self, tmp_path):
        table = sources.sample_table("name").slice(0, 0)
        path = sources.write_vector(tmp_path / "a.gdb", table, driver="OpenFileGDB", layer="a")
        assert rows_of(open_file(path)) == []


def write_dbf(path: Path, rows: list[bytes], *, ldid: int = 0, width: int = 20) -> None:
    head = struct.pack("<B3BIHH", 3, 124, 1, 1, len(rows), 65, 1 + width) + bytes(17) + bytes([ldid, 0, 0])
    field = b"NAME".ljust(11, b"\0") + b"C" + bytes(4) + bytes([width, 0]) + bytes(14)
    path.write_bytes(head + field + b"\r" + b"".join(b" " + row.ljust(width) for row in rows) + b"\x1a")


def write_shapefile(folder: Path, rows: list[bytes], *, ldid: int = 0, cpg: str | None = None) -> Path:
    points = pa.array([shapely.to_wkb(shapely.Point(n, n)) for n in range(len(rows))], pa.binary())
    path = sources.write_vector(
        folder / "a.shp",
        pa.table({"NAME": ["x"] * len(rows), "geometry": points}),
        driver="ESRI Shapefile",
    )
    path.with_suffix(".cpg").unlink()
    if cpg is not None:
        path.with_suffix(".cpg").write_text(cpg)
    write_dbf(path.with_suffix(".dbf"), rows, ldid=ldid)
    return path


def test_the_sample_folder_is_not_shared(tmp_path):
    first = sources.write_sample("gdb", tmp_path / "a")
    shutil.rmtree(first)
    assert sources.write_sample("gdb", tmp_path / "b").is_dir()
