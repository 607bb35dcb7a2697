"""Every vector format through the whole chain, judged by other people's readers."""

from __future__ import annotations

import json
import warnings
from datetime import datetime, time
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from geoparquet_validator import check, conformant

from e2e.command import ROOT, ingested
from e2e.home import assert_at_rest
from referees import spatial_duckdb, validator_failures
from sources import ROWS, SAMPLES, Row, write_sample

COUNTRIES = ROOT / "examples" / "countries" / "countries.geojson"
# What the format has no word for is given on the command line.
# Columns that a format's own writer adds to the table.
ADDED = {"topojson": {"id"}, "kml": {"id"}, "kmz": {"id"}, "gml": {"gml_id", "lowerCorner", "upperCorner"}}
DRIVERS = {
    "gpkg": "GPKG",
    "fgb": "FlatGeobuf",
    "shp": "ESRI Shapefile",
    "gml": "GML",
    "gdb": "OpenFileGDB",
    "kml": "LIBKML",
}


def as_written(row: Row, sample: str) -> dict[str, object]:
    """The row as the format can say it."""
    values = {name: getattr(row, name) for name in Row.__slots__ if name not in ("x", "y")}
    match sample:
        case "fgb":
            # FlatGeobuf has date-times only.
            values["day"] = datetime.combine(row.day, time()) if row.day else None
        case "shp" | "shp.zip":
            # A DBF column holds neither empty text nor every float64.
            values = {"number": row.number, "name": row.name or None, "day": row.day}
        case "kml" | "kmz":
            number = None if row.number is None else str(row.number)
            values = {"Name": row.name or None, "number": number, "share": row.share, "flag": row.flag}
        case "gml":
            values["name"] = row.name or None
        case "gdb" | "gdb.zip":
            # A File Geodatabase has no time zones.
            moment = row.moment.replace(tzinfo=None) if row.moment else None
            values = {"number": row.number, "name": row.name, "share": row.share, "moment": moment}
        case _:
            pass
    return values | {"point": (row.x, row.y)}


def in_any_order(rows: list[dict[str, object]]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)


def rows_read_by_geopandas(path: str) -> list[dict[str, object]]:
    """Attributes as Arrow holds them (pandas makes floats of integers with nulls), geometries by geopandas."""
    frame = geopandas.read_parquet(path)
    table = pq.read_table(path).drop_columns(["bbox", "geom"])
    points = [(point.x, point.y) for point in frame.geometry]
    rows = table.to_pylist()
    return [dict(row) | {"point": point} for row, point in zip(rows, points, strict=True)]


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_value_of_every_format_arrives(sample, tmp_path):
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Value .* not successfully written", category=RuntimeWarning
        )
        source = write_sample(sample, tmp_path / "in")
    report = ingested(tmp_path / "home", source)

    rows = rows_read_by_geopandas(report["path"])
    expected = [as_written(row, sample) for row in ROWS]
    unasked = ADDED.get(sample, set()) | ({"share"} if "shp" in sample else set())
    assert set(rows[0]) - set(expected[0]) == unasked
    kept = [{name: value for name, value in row.items() if name not in unasked} for row in rows]
    zoned = [{name: _in_utc(value) for name, value in row.items()} for row in kept]
    assert in_any_order(zoned) == in_any_order([{n: _in_utc(v) for n, v in row.items()} for row in expected])

    assert validator_failures(Path(report["path"])) == []
    assert conformant(check(report["path"]), "covering")
    assert (report["rows"], report["crs"], report["geometry_type"]) == (5, "EPSG:4326", "POINT")
    assert report["bounds"] == [-8.0, -47.0, 8.75, 47.5]
    assert_at_rest(tmp_path / "home")


def _in_utc(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def converted(file_format: str, folder: Path) -> Path:
    """The example's countries in another format, written by GDAL."""
    if file_format == "geojson":
        return COUNTRIES
    folder.mkdir()
    _, table = pyogrio.read_arrow(COUNTRIES)
    path = folder / f"countries.{file_format}"
    if file_format == "geojsonl":
        # GDAL would write seven decimals, which make one country cross itself.
        features = json.loads(COUNTRIES.read_text())["features"]
        path.write_text("".join(f"{json.dumps(feature)}\n" for feature in features))
        return path
    pyogrio.write_arrow(
        table,
        path,
        driver=DRIVERS[file_format],
        geometry_name="wkb_geometry",
        # A File Geodatabase has one type of polygons.
        geometry_type="MultiPolygon" if file_format == "gdb" else "Unknown",
        crs="EPSG:4326",
    )
    return path


def facts_by_gdal(source: Path, name: str) -> tuple[dict[str, dict[str, object]], dict[str, str]]:
    """Attributes and normalised WKT by country, as GDAL itself reads the source."""
    meta, table = pyogrio.read_arrow(source)
    geometry = meta["geometry_name"] or "wkb_geometry"
    names = table[name].to_pylist()
    shapes = shapely.normalize(shapely.from_wkb(np.array(table[geometry].to_pylist(), dtype=object)))
    rows = table.select(["iso_a3", "continent", "pop_est", "gdp_md_est"]).to_pylist()
    return dict(zip(names, rows, strict=True)), dict(zip(names, shapely.to_wkt(shapes, -1), strict=True))


@pytest.mark.parametrize("file_format", ["geojson", "geojsonl", *DRIVERS])
def test_real_polygons_arrive_vertex_by_vertex(file_format, tmp_path):
    source = converted(file_format, tmp_path / "in")
    name = "Name" if file_format == "kml" else "name"
    attributes, shapes = facts_by_gdal(source, name)
    report = ingested(tmp_path / "home", source)

    frame = geopandas.read_parquet(report["path"])
    arrived = dict(
        zip(frame[name], shapely.to_wkt(shapely.normalize(frame.geometry.values), -1), strict=True)
    )
    # A File Geodatabase keeps coordinates on a grid, on which one country crosses itself.
    mended = {"Sudan"} if file_format == "gdb" else set()
    assert {name for name, shape in shapes.items() if not shapely.is_valid(shapely.from_wkt(shape))} == mended
    assert {name for name, shape in arrived.items() if shape != shapes[name]} == mended
    columns = ["iso_a3", "continent", "pop_est", "gdp_md_est"]
    table = pq.read_table(report["path"])
    assert dict(zip(table[name].to_pylist(), table.select(columns).to_pylist(), strict=True)) == attributes

    bounds = shapely.total_bounds(shapely.from_wkt(list(shapes.values()))).tolist()
    assert (report["rows"], report["bounds"]) == (177, bounds)
    assert frame.total_bounds.tolist() == bounds
    assert validator_failures(Path(report["path"])) == []


def test_duckdb_and_gdal_read_the_same_as_the_source_holds(tmp_path):
    _, shapes = facts_by_gdal(COUNTRIES, "name")
    vertices = int(shapely.get_num_coordinates(shapely.from_wkt(list(shapes.values()))).sum())
    report = ingested(tmp_path, COUNTRIES)
    with spatial_duckdb() as duckdb:
        found = duckdb.execute(
            "SELECT count(*), sum(ST_NPoints(geom)), sum(gdp_md_est), min(bbox.xmin), max(bbox.ymax),"
            " count(*) FILTER (WHERE ST_IsValid(geom)) FROM read_parquet(?)",
            [report["path"]],
        ).fetchone()
    gdp = sum(pyogrio.read_arrow(COUNTRIES)[1]["gdp_md_est"].to_pylist())
    west, _, _, north = report["bounds"]
    # The covering is float32, rounded outwards or exact.
    assert found[:3] == (177, vertices, gdp)
    assert found[3] == pytest.approx(west, abs=1e-4)
    assert found[4] == pytest.approx(north, abs=1e-4)
    assert found[5] == 177


def test_files_of_several_formats_become_one_dataset(tmp_path):
    sources = [write_sample(sample, tmp_path / sample) for sample in ("gpkg", "geojson", "geojsonseq")]
    report = ingested(tmp_path / "home", *sources)
    rows = [{n: _in_utc(v) for n, v in row.items()} for row in rows_read_by_geopandas(report["path"])]
    expected = [{n: _in_utc(v) for n, v in as_written(row, "gpkg").items()} for row in ROWS]
    assert in_any_order(rows) == in_any_order(expected * 3)
    assert validator_failures(Path(report["path"])) == []


@pytest.mark.parametrize("count", [1, 2])
def test_a_projected_source_lands_where_gdal_puts_it(count, tmp_path):
    frame = geopandas.GeoDataFrame(
        {"id": [1, 2]},
        geometry=geopandas.points_from_xy([2600000.5, 2700000.25], [1200000.5, 1250000.75]),
        crs="EPSG:2056",
    )
    sources = []
    for number in range(count):
        source = tmp_path / f"swiss{number}.gpkg"
        frame.to_file(source)
        sources.append(source)
    report = ingested(tmp_path / "home", *sources)
    arrived = geopandas.read_parquet(report["path"]).sort_values("id")
    expected = frame.to_crs("EPSG:4326").geometry.repeat(count)
    np.testing.assert_allclose(
        shapely.get_coordinates(arrived.geometry.values),
        shapely.get_coordinates(expected.values),
        rtol=0,
        atol=1e-12,
    )
