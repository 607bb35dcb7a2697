"""Geometries that tools stumble over: Z, M, empty, null, collections, curves, none at all."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from geoparquet_validator import check, failed

from e2e.command import catalogue, ingested, run
from e2e.home import assert_at_rest, assert_never_run
from sources import write_json, write_vector


def write(path: Path, wkb: list[bytes | None], *, crs: str = "EPSG:4326") -> Path:
    table = pa.table({"id": pa.array(range(len(wkb)), pa.int64()), "geometry": pa.array(wkb, pa.binary())})
    return write_vector(path, table, driver="GPKG", geometry_type="Unknown", crs=crs)


def iso(*wkt: str | None) -> list[bytes | None]:
    return [None if text is None else shapely.to_wkb(shapely.from_wkt(text), flavor="iso") for text in wkt]


KEPT = {
    "z": (["POINT Z (1 2 3)"], "POINT", ["Point Z"], [1, 2, 1, 2]),
    "m": (["POINT M (1 2 3)"], "POINT", [], [1, 2, 1, 2]),
    "zm": (["LINESTRING ZM (1 2 3 4, 5 6 7 8)"], "LINESTRING", [], [1, 2, 5, 6]),
    "polygon-z": (["POLYGON Z ((0 0 1, 1 0 2, 1 1 3, 0 0 1))"], "POLYGON", ["Polygon Z"], [0, 0, 1, 1]),
    "some-with-z": (["POINT Z (1 2 3)", "POINT (4 5)"], "POINT", ["Point", "Point Z"], [1, 2, 4, 5]),
    "empty-beside-full": (["POINT EMPTY", "POINT (1 2)"], "POINT", ["Point"], [1, 2, 1, 2]),
    "only-empty": (["POLYGON EMPTY"], "POLYGON", ["Polygon"], None),
    "null-beside-full": ([None, "POINT (1 2)"], "POINT", ["Point"], [1, 2, 1, 2]),
    "only-null": ([None, None], "UNKNOWN", [], None),
    "no-rows": ([], "UNKNOWN", [], None),
    "collection": (
        ["GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (0 0, 1 1))"],
        "GEOMETRYCOLLECTION",
        ["GeometryCollection"],
        [0, 0, 1, 2],
    ),
    "mixed": (["POINT (1 2)", "LINESTRING (0 0, 1 1)"], "GEOMETRY", ["LineString", "Point"], [0, 0, 1, 2]),
    "single-and-multi": (
        ["POLYGON ((0 0, 1 0, 1 1, 0 0))", "MULTIPOLYGON (((5 5, 6 5, 6 6, 5 5)))"],
        "GEOMETRY",
        ["MultiPolygon", "Polygon"],
        [0, 0, 6, 6],
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_geometries_are_kept_as_they_are(case, tmp_path):
    wkt, geometry_type, types, bounds = KEPT[case]
    source = write(tmp_path / "in.gpkg", iso(*wkt))
    report = ingested(tmp_path / "home", source)
    table = pq.read_table(report["path"])
    # Bytes, not shapes: Z, M and emptiness must not get lost in the comparison.
    assert sorted(table["geom"].to_pylist(), key=repr) == sorted(iso(*wkt), key=repr)
    assert (report["rows"], report["geometry_type"], report["bounds"]) == (len(wkt), geometry_type, bounds)
    column = json.loads(table.schema.metadata[b"geo"])["columns"]["geom"]
    assert column["geometry_types"] == types
    found = check(report["path"])
    assert failed(found, "core") == failed(found, "covering") == []
    assert report["warnings"] == []
    assert_at_rest(tmp_path / "home")


def test_a_dataset_without_any_geometry_has_null_bounds_in_the_ledger(tmp_path):
    report = ingested(tmp_path / "home", write(tmp_path / "in.gpkg", iso(None, None)), "--dataset-id", "d")
    [asset] = catalogue(tmp_path / "home", "assets")
    assert (asset["bounds"], asset["crs"], asset["row_count"]) == (None, "EPSG:4326", 2)
    assert asset["metadata"]["geometry_type"] == "UNKNOWN"
    assert "bbox" not in json.loads(pq.read_schema(report["path"]).metadata[b"geo"])["columns"]["geom"]


def test_a_null_geometry_of_geojson_stays_null(tmp_path):
    features = [
        {"type": "Feature", "properties": {"id": n}, "geometry": geometry}
        for n, geometry in enumerate([None, {"type": "Point", "coordinates": [1, 2, 3]}])
    ]
    source = write_json(tmp_path / "in.geojson", {"type": "FeatureCollection", "features": features})
    report = ingested(tmp_path / "home", source)
    rows = pq.read_table(report["path"]).select(["id", "geom"]).to_pylist()
    assert sorted(rows, key=lambda row: row["id"]) == [
        {"id": 0, "geom": None},
        {"id": 1, "geom": iso("POINT Z (1 2 3)")[0]},
    ]


def arc(points: list[tuple[float, float]]) -> bytes:
    """A CIRCULARSTRING as ISO WKB."""
    return struct.pack("<BII", 1, 8, len(points)) + b"".join(struct.pack("<dd", *point) for point in points)


CIRCLE = [(100_000.0, 0.0), (0.0, 100_000.0), (-100_000.0, 0.0), (0.0, -100_000.0), (100_000.0, 0.0)]


@pytest.mark.parametrize(
    ("wkb", "geometry_type"),
    [
        pytest.param(arc(CIRCLE), "LINESTRING", id="circular-string"),
        pytest.param(struct.pack("<BII", 1, 10, 1) + arc(CIRCLE), "POLYGON", id="curve-polygon"),
    ],
)
def test_curves_become_segments_of_at_most_four_degrees(wkb, geometry_type, tmp_path):
    source = write(tmp_path / "in.gpkg", [wkb], crs="EPSG:3857")
    report = ingested(tmp_path / "home", source, "--dataset-id", "d")
    assert report["geometry_type"] == geometry_type
    [shape] = geopandas.read_parquet(report["path"]).to_crs("EPSG:3857").geometry
    x, y = shapely.get_coordinates(shape).T
    np.testing.assert_allclose(np.hypot(x, y), 100_000.0, rtol=1e-9)
    turns = np.abs(np.diff(np.unwrap(np.arctan2(y, x))))
    assert np.degrees(turns.max()) <= 4 + 1e-6
    assert np.degrees(turns.sum()) == pytest.approx(360)


def test_lineage_counts_the_curves_that_became_segments(tmp_path):
    ingested(
        tmp_path / "home",
        write(tmp_path / "in.gpkg", [arc(CIRCLE), *iso("LINESTRING (0 0, 1 1)")], crs="EPSG:3857"),
    )
    [edge] = catalogue(tmp_path / "home", "lineage")
    assert [step for step in edge["parameters"]["steps"] if step["name"] == "linearise"] == [
        {"name": "linearise", "parameters": {"max_angle_degrees": 4.0}, "rows_changed": 1}
    ]


def test_polygons_are_wound_counter_clockwise_whatever_they_were(tmp_path):
    clockwise = "POLYGON ((0 0, 0 9, 9 9, 9 0, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))"
    report = ingested(tmp_path / "home", write(tmp_path / "in.gpkg", iso(clockwise)))
    [shape] = geopandas.read_parquet(report["path"]).geometry
    assert shape.exterior.is_ccw
    assert not shape.interiors[0].is_ccw
    assert shape.normalize() == shapely.from_wkt(clockwise).normalize()


def ring(*points: tuple[float, float]) -> bytes:
    """A polygon of one ring as it is given, closed or not."""
    return struct.pack("<BIII", 1, 3, 1, len(points)) + b"".join(
        struct.pack("<dd", *point) for point in points
    )


def line(*points: tuple[float, float]) -> bytes:
    """A line of any number of points."""
    return struct.pack("<BII", 1, 2, len(points)) + b"".join(struct.pack("<dd", *point) for point in points)


SQUARE = "POLYGON ((5 5, 6 5, 6 6, 5 6, 5 5))"
MALFORMED = "a ring is not closed, or a ring or line has too few points"


def test_an_open_ring_is_closed_counted_and_its_original_kept(tmp_path):
    opened = ring((0, 0), (1, 0), (1, 1), (0, 1))
    report = ingested(
        tmp_path / "home", write(tmp_path / "in.gpkg", [*iso(SQUARE), opened, None]), "--dataset-id", "d"
    )
    shapes = shapely.from_wkb(pq.read_table(report["path"]).sort_by("id")["geom"].to_pylist())
    assert shapely.area(shapes[:2]).tolist() == [1.0, 1.0]
    assert shapes[2] is None
    assert report["warnings"] == ["1 invalid geometries repaired; their originals are kept"]
    [original] = pq.read_table(tmp_path / "home" / "data-lake" / "d" / "v1" / "repaired.parquet").to_pylist()
    assert (original["row"], original["reason"], original["geom"]) == (1, MALFORMED, opened)
    assert_at_rest(tmp_path / "home")


@pytest.mark.parametrize("wkb", [line((1, 1)), ring((0, 0))], ids=["line", "ring"])
def test_what_is_no_geometry_at_all_fails_the_run_and_names_its_row(wkb, tmp_path):
    bow_tie = "POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))"
    answer = run(tmp_path / "home", write(tmp_path / "in.gpkg", [*iso(bow_tie), wkb]))
    assert (answer.code, answer.error["code"], answer.error["stage"]) == (
        1,
        "GEOMETRY_UNREPAIRABLE",
        "transform",
    )
    assert answer.error["message"] == f"in.gpkg: row 1 is not valid and cannot be repaired: {MALFORMED}"
    assert_never_run(tmp_path / "home")
