from __future__ import annotations

import shutil
import sqlite3
import struct
from pathlib import Path

import pyarrow as pa
import pyogrio
import pyproj
import pytest
import shapely

import sources
from geoingest.errors.source import (
    FormatMismatchError,
    LayerAmbiguousError,
    LayerNotFoundError,
    SourceUnreadableError,
)
from geoingest.formats.archive import unpack
from geoingest.formats.vector_files import read_batches
from unit.formats.reading import (
    POINT,
    WITH_MOMENT,
    geometries_of,
    names_in,
    open_file,
    open_sample,
    rows_of,
    write_features,
)


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


def test_the_sample_folder_is_not_shared(tmp_path):
    first = sources.write_sample("gdb", tmp_path / "a")
    shutil.rmtree(first)
    assert sources.write_sample("gdb", tmp_path / "b").is_dir()
