from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely

import sources
from geoingest.errors import PermanentError
from geoingest.errors.source import (
    EncodingUnknownError,
    SourceUnreadableError,
    XmlDoctypeError,
)
from geoingest.formats.gdal_session import only_driver
from geoingest.formats.vector_files import is_all_null, read_batches
from unit.formats.reading import (
    geometries_of,
    names_in,
    open_file,
    open_sample,
    rows_of,
    write_dbf,
    write_features,
    write_shapefile,
    write_text,
)


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
