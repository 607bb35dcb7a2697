from __future__ import annotations

import math

import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj.network import is_network_enabled

from geoingest.errors.source import CoordsOutOfRangeError, CrsUnknownError
from geoingest.formats.crs import check_coordinates, crs_name, horizontal, projjson, resolve_crs, same_crs

# Grads and an area of use.
NTF_PARIS = "EPSG:4807"
POLAR = "EPSG:3031"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("EPSG:28355", id="code"),
        pytest.param(" epsg:28355 ", id="blanks and case"),
        pytest.param("urn:ogc:def:crs:EPSG::28355", id="urn"),
        pytest.param(pyproj.CRS("EPSG:28355").to_wkt("WKT2_2019"), id="wkt2"),
        pytest.param(pyproj.CRS("EPSG:28355").to_wkt("WKT1_GDAL"), id="wkt1"),
        pytest.param(pyproj.CRS("EPSG:28355").to_wkt("WKT1_ESRI"), id="esri wkt"),
        pytest.param(pyproj.CRS("EPSG:28355").to_json(), id="projjson"),
    ],
)
def test_words_of_every_allowed_kind_lead_to_the_crs(text):
    assert crs_name(resolve_crs(text)) == "EPSG:28355"


def test_other_authorities_are_known():
    assert crs_name(resolve_crs("OGC:CRS84")) == "OGC:CRS84"
    assert crs_name(resolve_crs("ESRI:102001")) == "ESRI:102001"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("4326", id="bare number"),
        pytest.param("WGS 84", id="name"),
        pytest.param("+proj=longlat +datum=WGS84", id="proj string"),
        pytest.param("+init=epsg:4326", id="init file"),
        pytest.param("+proj=pipeline +step +proj=hgridshift +grids=/etc/passwd", id="pipeline"),
        pytest.param("/etc/passwd", id="path"),
        pytest.param("http://127.0.0.1/crs", id="address"),
        pytest.param("EPSG:999999", id="no such code"),
        pytest.param("NOSUCH:1", id="no such authority"),
        pytest.param("EPSG:4326+5773", id="composed code"),
        pytest.param("PROJCS[broken", id="broken wkt"),
        pytest.param('{"type":"GeographicCRS"}', id="broken projjson"),
        pytest.param("{", id="broken json"),
        pytest.param("{" * 100_000, id="deep json"),
        pytest.param("x" * 2_000_000, id="long"),
        pytest.param("EPSG:4326\0", id="nul"),
    ],
)
def test_no_other_text_reaches_proj(text):
    with pytest.raises(CrsUnknownError) as caught:
        resolve_crs(text)
    assert len(caught.value.message) < 200


@given(text=st.text(max_size=60))
def test_any_text_is_known_or_refused(text):
    try:
        resolve_crs(text)
    except CrsUnknownError:
        return


def test_the_network_of_proj_is_off():
    assert not is_network_enabled()


def test_a_crs_of_nobody_is_called_by_its_own_name():
    custom = pyproj.CRS("+proj=tmerc +lat_0=12.345 +lon_0=6.789 +x_0=1 +y_0=2 +ellps=bessel")
    named = {**custom.to_json_dict(), "name": "Site grid"}
    assert crs_name(pyproj.CRS.from_json_dict(named)) == "Site grid"


def test_projjson_is_full_and_leads_back():
    found = projjson(resolve_crs("EPSG:2056"))
    assert found["id"] == {"authority": "EPSG", "code": 2056}
    assert pyproj.CRS.from_json_dict(found) == pyproj.CRS("EPSG:2056")


@pytest.mark.parametrize(
    ("crs", "expected"),
    [
        pytest.param("EPSG:7415", "EPSG:28992", id="compound"),
        pytest.param("EPSG:4979", "EPSG:4326", id="three dimensions"),
        pytest.param("EPSG:3857", "EPSG:3857", id="already flat"),
    ],
)
def test_the_horizontal_part_is_taken(crs, expected):
    assert crs_name(horizontal(pyproj.CRS(crs))) == expected


def test_the_source_of_a_bound_crs_is_its_horizontal_part():
    bound = pyproj.CRS("+proj=longlat +ellps=bessel +towgs84=1,2,3")
    assert bound.is_bound
    assert not horizontal(bound).is_bound


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("EPSG:4326", "OGC:CRS84", True),
        ("EPSG:2193", "EPSG:2193", True),
        ("EPSG:4326", "EPSG:4258", False),
        ("EPSG:4326", "EPSG:3857", False),
        ("EPSG:32632", "EPSG:32633", False),
        ("EPSG:4326", "EPSG:4979", False),
    ],
)
def test_axis_order_makes_no_difference(one, other, same):
    assert same_crs(pyproj.CRS(one), pyproj.CRS(other)) is same
    assert same_crs(pyproj.CRS(other), pyproj.CRS(one)) is same


def test_the_same_crs_in_other_words_is_the_same():
    crs = pyproj.CRS("EPSG:25832")
    assert same_crs(crs, pyproj.CRS.from_wkt(crs.to_wkt("WKT1_GDAL")))


@pytest.mark.parametrize(
    ("crs", "bounds"),
    [
        pytest.param("EPSG:4326", (-180, -90, 180, 90), id="the world"),
        pytest.param("EPSG:4326", (0, -90, 360, 90), id="0 to 360"),
        pytest.param("EPSG:4326", (5, 45, 5, 45), id="a point"),
        pytest.param("EPSG:28355", (200_000, 5_600_000, 800_000, 6_400_000), id="inside"),
        pytest.param("EPSG:28355", (1_200_000, 5_600_000, 1_300_000, 6_400_000), id="next zone"),
        pytest.param("EPSG:3857", (-2.0e7, -2.0e7, 2.0e7, 2.0e7), id="web mercator"),
        pytest.param("EPSG:3832", (-1e6, -1e6, 1e6, 1e6), id="across the antimeridian"),
        pytest.param("EPSG:2193", (1.0e6, 4.7e6, 2.1e6, 6.2e6), id="new zealand"),
        pytest.param(POLAR, (-3e6, -3e6, 3e6, 3e6), id="around the pole"),
        pytest.param(NTF_PARIS, (-200, -100, 200, 100), id="grads"),
        pytest.param("EPSG:7415", (10_000, 300_000, 280_000, 620_000), id="compound"),
    ],
)
def test_coordinates_that_can_belong_are_accepted(crs, bounds):
    check_coordinates(pyproj.CRS(crs), bounds, name="a.gpkg")


@pytest.mark.parametrize(
    ("crs", "bounds"),
    [
        pytest.param("EPSG:4326", (320_000, 5_800_000, 330_000, 5_810_000), id="metres as degrees"),
        pytest.param("EPSG:4326", (100, 120, 110, 130), id="exchanged axes"),
        pytest.param("EPSG:4326", (0, 0, 361, 1), id="more than a turn"),
        pytest.param("EPSG:4326", (0, 0, math.nan, 1), id="NaN"),
        pytest.param("EPSG:4326", (-math.inf, 0, 0, 1), id="infinity"),
        pytest.param("EPSG:28355", (144, -38, 146, -37), id="degrees as metres"),
        pytest.param("EPSG:2056", (600_000, 200_000, 610_000, 210_000), id="old swiss grid"),
        pytest.param("EPSG:25832", (5_500_000, 500_000, 5_600_000, 600_000), id="exchanged metres"),
        pytest.param("EPSG:32633", (1e9, 1e9, 2e9, 2e9), id="beyond the earth"),
        pytest.param(NTF_PARIS, (0, 0, 1, 101), id="grads beyond the pole"),
    ],
)
def test_coordinates_that_cannot_belong_are_an_error(crs, bounds):
    with pytest.raises(CoordsOutOfRangeError) as caught:
        check_coordinates(pyproj.CRS(crs), bounds, name="a.gpkg")
    assert crs in caught.value.message


def test_without_an_area_of_use_finite_is_enough():
    crs = pyproj.CRS("+proj=tmerc +lat_0=50 +lon_0=10 +ellps=bessel")
    assert crs.area_of_use is None
    check_coordinates(crs, (-1e6, -1e6, 1e6, 1e6), name="a.gpkg")
