from __future__ import annotations

import json
import sqlite3

import pyproj
import pytest
import shapely

import sources
from geoingest.errors.source import (
    CrsMissingError,
    CrsUnknownError,
)
from unit.formats.reading import geometries_of, open_file, write_features, write_text


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
