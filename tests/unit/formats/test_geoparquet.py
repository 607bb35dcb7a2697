from __future__ import annotations

import hashlib
import json
import struct
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import CRS

from geoingest.errors.geometry import GeometryUnreadableError
from geoingest.formats.column_schema import read_column_schema
from geoingest.formats.geoparquet import GeoParquetFacts, write_geoparquet
from geoingest.formats.row_groups import RowGroupRule
from referees import gpio_complaints, spatial_duckdb, validator_failures

WGS84 = CRS.from_epsg(4326).to_json_dict()
SMALL_GROUPS = RowGroupRule(fewest=500, most=1500)
BOUNDS = (5.0, 45.0, 11.0, 48.0)


def footprints(rows: int, seed: int = 0) -> pa.Table:
    """Counter-clockwise squares of about 20 m at random places, with a name and a number."""
    generator = np.random.default_rng(seed)
    x, y = generator.uniform(5.1, 10.9, rows), generator.uniform(45.1, 47.9, rows)
    squares = shapely.box(x, y, x + 2e-4, y + 2e-4)
    columns = {"id": np.arange(rows), "name": [f"house {number % 97}" for number in range(rows)]}
    return with_geometry(columns, shapely.to_wkb(squares))


def with_geometry(columns: dict[str, Any], geometries) -> pa.Table:
    return pa.table({**columns, "geom": pa.array(list(geometries), pa.binary())})


def geometries(*texts: str | None) -> pa.Table:
    shapes = [
        None if text is None else shapely.to_wkb(shapely.from_wkt(text), flavor="iso") for text in texts
    ]
    return with_geometry({"id": range(len(texts))}, shapes)


def write(path: Path, table: pa.Table, *, batch_rows: int = 1000, **options: Any) -> GeoParquetFacts:
    work_dir = path.parent / "work"
    work_dir.mkdir(exist_ok=True)
    options = {"crs": WGS84, "bounds": BOUNDS, **options}
    facts = write_geoparquet(
        path, table.to_batches(batch_rows), schema=table.schema, work_dir=work_dir, **options
    )
    assert list(work_dir.iterdir()) == []
    return facts


def geo(path: Path) -> dict[str, Any]:
    return json.loads(pq.read_metadata(path).metadata[b"geo"])


def column_of(path: Path) -> dict[str, Any]:
    return geo(path)["columns"]["geom"]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "data.parquet"


def test_the_facts_are_those_of_all_rows(path):
    table = geometries(
        "POINT (1 2)", None, "POINT EMPTY", "POLYGON ((3 4, 5 4, 5 6, 3 4))", "POINT Z (0 1 7)"
    )
    assert write(path, table, batch_rows=2) == GeoParquetFacts(
        rows=5,
        bounds=(0, 1, 5, 6),
        geometry_types=("Point", "Point Z", "Polygon"),
        geometry_type="GEOMETRY",
        row_groups=1,
        size_bytes=path.stat().st_size,
        null_geometries=1,
        vertices=6,
    )


def test_every_referee_accepts_a_file_of_many_row_groups(path):
    table = footprints(20_000)
    facts = write(path, table, rule=RowGroupRule(fewest=2_500, most=7_500))
    assert facts.row_groups > 2
    assert validator_failures(path) == []
    assert gpio_complaints(path) == []


def test_a_file_in_random_order_would_not_pass_gpio(path, tmp_path):
    """The check above can fail: the same rows, shuffled, in as many groups."""
    write(path, footprints(20_000))
    shuffled = tmp_path / "shuffled.parquet"
    rows = pq.read_table(path)
    rows = rows.take(np.random.default_rng(0).permutation(rows.num_rows))
    pq.write_table(rows, shuffled, row_group_size=2_500, compression="zstd")
    assert gpio_complaints(shuffled)


def test_geopandas_reads_rows_crs_and_a_window(path):
    table = footprints(3000)
    write(path, table, rule=SMALL_GROUPS)
    read = geopandas.read_parquet(path).sort_values("id")
    assert read.crs == CRS.from_epsg(4326)
    assert read["name"].tolist() == table["name"].to_pylist()
    assert read.geometry.to_wkb().tolist() == table["geom"].to_pylist()
    window = (7.0, 46.0, 8.0, 47.0)
    inside = read[read.intersects(shapely.box(*window))]
    assert sorted(geopandas.read_parquet(path, bbox=window)["id"]) == inside["id"].tolist()


def test_duckdb_sees_geometry_with_its_crs_and_the_same_coordinates(path):
    table = footprints(3000)
    facts = write(path, table)
    with spatial_duckdb() as connection:
        [seen] = (
            connection.read_parquet(str(path))
            .aggregate(
                "count(*), any_value(ST_CRS(geom)), sum(ST_NPoints(geom)),"
                " min(ST_XMin(geom)), min(ST_YMin(geom)), max(ST_XMax(geom)), max(ST_YMax(geom))"
            )
            .fetchall()
        )
    assert seen == (3000, "EPSG:4326", facts.vertices, *facts.bounds)


def row_group_boxes(path: Path) -> np.ndarray:
    metadata = pq.read_metadata(path)
    paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
    sides = [(paths.index(f"bbox.{corner}"), corner[1:]) for corner in ("xmin", "ymin", "xmax", "ymax")]
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return np.array([[getattr(group.column(at).statistics, side) for at, side in sides] for group in groups])


def test_under_a_third_of_consecutive_row_groups_overlap(path):
    """Points, as a polygon on the border of two groups makes any two boxes overlap by a sliver."""
    generator = np.random.default_rng(1)
    points = shapely.points(generator.uniform(5.1, 10.9, 20_000), generator.uniform(45.1, 47.9, 20_000))
    write(path, with_geometry({}, shapely.to_wkb(points)), rule=SMALL_GROUPS)
    boxes = row_group_boxes(path)
    a, b = boxes[:-1], boxes[1:]
    apart = (a[:, 2] < b[:, 0]) | (b[:, 2] < a[:, 0]) | (a[:, 3] < b[:, 1]) | (b[:, 3] < a[:, 1])
    assert len(boxes) > 10
    assert (~apart).mean() < 0.3


def test_boxes_of_row_groups_of_polygons_overlap_by_slivers_only(path):
    write(path, footprints(20_000), rule=SMALL_GROUPS)
    boxes = row_group_boxes(path)
    a, b = boxes[:-1], boxes[1:]
    widths = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    heights = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    assert len(boxes) > 10
    assert (np.minimum(widths, heights) > 4e-4).mean() < 0.3


def test_equal_places_keep_the_input_order_and_rows_without_a_place_come_last(path):
    table = geometries(
        "POINT (6 46)", None, "POINT (6 46)", "POLYGON EMPTY", "POINT (5 45)", None, "POINT (6 46)"
    )
    write(path, table, batch_rows=2)
    assert pq.read_table(path)["id"].to_pylist() == [4, 0, 2, 6, 1, 3, 5]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="again"),
        pytest.param({"batch_rows": 7}, id="tiny-batches"),
        pytest.param({"batch_rows": 7777}, id="one-batch"),
        pytest.param({"memory_bytes": 0}, id="all-spilled"),
        pytest.param({"memory_bytes": 100_000}, id="some-spilled"),
        pytest.param({"memory_bytes": 30_000, "batch_rows": 37}, id="many-runs"),
    ],
)
def test_the_same_rows_give_the_same_bytes(tmp_path, options):
    table = footprints(3000)
    nulls = pa.array(np.arange(3000) % 50 == 0)
    table = table.set_column(
        2, "geom", pa.compute.if_else(nulls, pa.scalar(None, pa.binary()), table["geom"])
    )
    hashes = []
    for name, extra in (("a", {}), ("b", options)):
        write(tmp_path / f"{name}.parquet", table, rule=SMALL_GROUPS, **extra)
        hashes.append(hashlib.sha256((tmp_path / f"{name}.parquet").read_bytes()).hexdigest())
    assert hashes[0] == hashes[1]


KEPT = {
    "int64": pa.array([2**63 - 1, None, -(2**63)], pa.int64()),
    "uint8": pa.array([255, None, 0], pa.uint8()),
    "float32": pa.array([0.1, None, float("nan")], pa.float32()),
    "decimal": pa.array([Decimal("1.230"), None, Decimal("-0.001")], pa.decimal128(12, 3)),
    "date": pa.array([date(2024, 2, 29), None, date(1, 1, 1)], pa.date32()),
    "time": pa.array([time(23, 59, 59, 999_999), None, time(0)], pa.time64("us")),
    "local": pa.array([datetime(2024, 1, 1), None, datetime(1900, 1, 1)], pa.timestamp("us")),  # noqa: DTZ001
    "zoned": pa.array([datetime(2024, 1, 1, tzinfo=UTC), None, None], pa.timestamp("ms", "Europe/Zurich")),
    "text": pa.array(["a", None, ""], pa.large_string()),
    "json": pa.array(["{}", None, "[1]"], pa.json_()),
    "bytes": pa.array([b"\0", None, b""], pa.binary()),
    "flag": pa.array([True, None, False]),
    "list": pa.array([[1, None], None, []], pa.list_(pa.int16())),
    "struct": pa.array(
        [{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}],
        pa.struct({"a": pa.int8(), "b": pa.list_(pa.string())}),
    ),
    "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int32())),
    "nothing": pa.nulls(3),
}


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
@pytest.mark.parametrize("name", KEPT)
def test_attributes_keep_type_and_values(path, name, memory_bytes):
    points = [shapely.to_wkb(shapely.Point(x, 46)) for x in (6, 7, 8)]
    table = with_geometry({name: KEPT[name]}, points)
    write(path, table, batch_rows=1, memory_bytes=memory_bytes)
    read = pq.read_table(path).sort_by("geom")
    assert read.schema.names == [name, "bbox", "geom"]
    assert read.schema.field(name) == table.schema.field(name)
    assert str(read[name].to_pylist()) == str(table[name].to_pylist())


def test_dictionaries_that_differ_between_batches_become_plain_values(path):
    points = pa.array([shapely.to_wkb(shapely.Point(6, 46))])
    nested = pa.struct({"x": pa.dictionary(pa.int8(), pa.string())})
    batches = [
        pa.record_batch(
            {
                "kind": pa.array([kind]).dictionary_encode(),
                "in": pa.array([{"x": kind}], nested),
                "geom": points,
            }
        )
        for kind in ("a", "b", "a")
    ]
    write(path, pa.Table.from_batches(batches), memory_bytes=0)
    read = pq.read_table(path)
    assert read.schema.field("kind").type == pa.string()
    assert read.select(["kind", "in"]).to_pydict() == {
        "kind": ["a", "b", "a"],
        "in": [{"x": k} for k in "aba"],
    }


@pytest.mark.parametrize(
    ("array", "plain"),
    [
        pytest.param(pa.array(["a", None], pa.string_view()), pa.string(), id="string-view"),
        pytest.param(pa.array([b"a", None], pa.binary_view()), pa.binary(), id="binary-view"),
        pytest.param(
            pa.array([[("k", "v")], None], pa.map_(pa.string(), pa.string_view())),
            pa.map_(pa.string(), pa.string()),
            id="map-of-views",
        ),
    ],
)
def test_views_become_plain_values(path, array, plain):
    points = [shapely.to_wkb(shapely.Point(x, 46)) for x in (6, 7)]
    write(path, with_geometry({"x": array}, points))
    read = pq.read_table(path).sort_by("geom")
    assert (read.schema.field("x").type, read["x"].to_pylist()) == (plain, array.to_pylist())


@pytest.mark.parametrize(
    "kind",
    [pa.binary(), pa.large_binary(), pa.opaque(pa.binary(), "geometry", "test")],
    ids=["32", "64", "extension"],
)
def test_geometry_is_the_last_column_with_the_box_before_it(path, kind):
    table = footprints(10)
    write(path, table.set_column(2, pa.field("geom", kind), table["geom"].cast(kind)))
    assert [(name, column.type_name) for name, column in read_column_schema(path).items()] == [
        ("id", "INTEGER"),
        ("name", "STRING"),
        ("bbox", "STRUCT"),
        ("geom", "GEOMETRY"),
    ]
    assert validator_failures(path) == []


def test_an_attribute_called_bbox_stays_and_the_covering_takes_another_name(path):
    points = [shapely.to_wkb(shapely.Point(6, 46))]
    write(path, with_geometry({"BBox": ["mine"], "bbox_1": ["too"]}, points))
    assert pq.read_schema(path).names == ["BBox", "bbox_1", "bbox_2", "geom"]
    assert column_of(path)["covering"]["bbox"]["ymax"] == ["bbox_2", "ymax"]
    assert validator_failures(path) == []
    assert len(geopandas.read_parquet(path, bbox=(5, 45, 7, 47))) == 1


def test_boxes_are_never_smaller_than_their_geometry_and_hardly_larger(path):
    write(path, footprints(2000))
    table = pq.read_table(path)
    exact = shapely.bounds(shapely.from_wkb(table["geom"].to_numpy()))
    boxes = np.array([list(box.values()) for box in table["bbox"].to_pylist()])
    grown = (boxes - exact) * [-1, -1, 1, 1]
    assert (grown >= 0).all()
    assert (grown <= np.spacing(np.abs(boxes).astype(np.float32))).all()


def test_null_geometry_has_a_null_box_and_empty_geometry_an_empty_one(path):
    write(path, geometries(None, "POLYGON EMPTY", "POINT (1 2)"))
    nothing = dict.fromkeys(("xmin", "ymin", "xmax", "ymax"))
    assert pq.read_table(path).select(["id", "bbox"]).to_pylist() == [
        {"id": 2, "bbox": {"xmin": 1, "ymin": 2, "xmax": 1, "ymax": 2}},
        {"id": 0, "bbox": None},
        {"id": 1, "bbox": nothing},
    ]
    assert validator_failures(path) == []


def test_the_geo_metadata_is_whole_and_there_is_one_of_it(path):
    facts = write(
        path, geometries("POINT (1 2)", "LINESTRING (0 0, 3 4)"), metadata={"geoingest:recipe": "none"}
    )
    assert geo(path) == {
        "version": "1.1.0",
        "primary_column": "geom",
        "columns": {
            "geom": {
                "encoding": "WKB",
                "geometry_types": ["LineString", "Point"],
                "crs": WGS84,
                "orientation": "counterclockwise",
                "edges": "planar",
                "covering": {"bbox": {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}},
                "bbox": list(facts.bounds),
            }
        },
    }
    assert set(pq.read_metadata(path).metadata) == {b"geo", b"geoingest:recipe", b"ARROW:schema"}
    assert set(pq.read_schema(path).metadata) == {b"geo", b"geoingest:recipe"}


def test_an_unknown_crs_is_null_and_not_left_out(path):
    write(path, geometries("POINT (1 2)"), crs=None)
    assert column_of(path)["crs"] is None
    assert geopandas.read_parquet(path).crs is None


def test_three_dimensions_have_a_box_of_six_numbers(path):
    table = geometries("POINT (0 1)", "POINT Z (1 2 -3)", "LINESTRING Z (4 5 6, 7 8 9)")
    write(path, table)
    assert column_of(path)["geometry_types"] == ["LineString Z", "Point", "Point Z"]
    assert column_of(path)["bbox"] == [0, 1, -3, 7, 8, 9]
    assert validator_failures(path) == []


@pytest.mark.parametrize(
    ("code", "ordinates", "fact", "bbox"),
    [
        pytest.param(2001, 3, "Point M", [6, 46, 6, 46], id="m"),
        pytest.param(3001, 4, "Point ZM", [6, 46, 7, 6, 46, 7], id="zm"),
    ],
)
def test_measures_are_kept_and_the_types_the_format_cannot_name_are_left_open(
    path, code, ordinates, fact, bbox
):
    point = struct.pack(f"<BI{ordinates}d", 1, code, 6, 46, 7, *[9] * (ordinates - 3))
    facts = write(path, with_geometry({}, [point, shapely.to_wkb(shapely.Point(6, 46))]))
    assert facts.geometry_types == ("Point", fact)
    assert facts.geometry_type == "POINT"
    assert column_of(path)["geometry_types"] == []
    assert column_of(path)["bbox"] == bbox
    assert pq.read_table(path)["geom"].to_pylist()[0] == point
    assert validator_failures(path) == []


@pytest.mark.parametrize(
    ("texts", "geometry_type", "types"),
    [
        pytest.param((), "UNKNOWN", [], id="no-rows"),
        pytest.param((None, None), "UNKNOWN", [], id="only-null"),
        pytest.param(("POLYGON EMPTY",), "POLYGON", ["Polygon"], id="only-empty"),
    ],
)
def test_without_a_coordinate_there_are_no_bounds_and_the_file_is_still_readable(
    path, texts, geometry_type, types
):
    facts = write(path, geometries(*texts), bounds=None)
    assert (facts.rows, facts.bounds, facts.geometry_type) == (len(texts), None, geometry_type)
    assert "bbox" not in column_of(path)
    assert column_of(path)["geometry_types"] == types
    assert len(geopandas.read_parquet(path)) == len(texts)
    assert [failure for failure in validator_failures(path) if "/distribution/" not in failure] == []


def test_across_the_antimeridian_the_file_box_says_so(path):
    table = geometries("POINT (179 -17)", "POINT (-179 -16)", "POINT (178 -18)")
    facts = write(path, table, bounds=(178, -18, -179, -16))
    assert facts.bounds == (178, -18, -179, -16)
    assert column_of(path)["bbox"] == [178, -18, -179, -16]
    assert validator_failures(path) == []


def test_without_bounds_rows_keep_the_order_of_the_input(path):
    write(path, geometries("POINT (6 46)", "POINT (5 45)", "POINT (7 47)"), bounds=None)
    assert pq.read_table(path)["id"].to_pylist() == [0, 1, 2]


def test_columns_are_stored_as_readers_skip_and_decode_them_best(path):
    write(path, footprints(3000), rule=SMALL_GROUPS)
    group = pq.read_metadata(path).row_group(0)
    columns = {
        group.column(number).path_in_schema: group.column(number) for number in range(group.num_columns)
    }
    assert {name: column.compression for name, column in columns.items()} == dict.fromkeys(columns, "ZSTD")
    assert [name for name, column in columns.items() if not column.is_stats_set] == ["geom"]
    assert [name for name, column in columns.items() if column.has_dictionary_page] == ["id", "name"]
    assert all(column.has_offset_index for column in columns.values())
    assert [name for name, column in columns.items() if not column.has_column_index] == ["geom"]
    assert "BYTE_STREAM_SPLIT" in columns["bbox.xmin"].encodings


def test_the_rows_written_so_far_are_reported(path):
    told: list[int] = []
    facts = write(path, footprints(3000), rule=SMALL_GROUPS, on_rows=told.append)
    assert len(told) == facts.row_groups
    assert told == sorted(set(told))
    assert told[-1] == 3000


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_a_failure_leaves_no_file(path, memory_bytes):
    points = [shapely.to_wkb(shapely.Point(6, 46))] * 3
    broken = with_geometry({}, [*points, b"\x01\x01", *points])
    with pytest.raises(GeometryUnreadableError, match=r"^row 3 "):
        write(path, broken, batch_rows=2, memory_bytes=memory_bytes)
    assert [file.name for file in path.parent.rglob("*")] == ["work"]


def test_a_source_that_fails_halfway_leaves_no_file(path):
    table = footprints(100)

    def batches():
        yield from table.to_batches(10)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        write_geoparquet(
            path,
            batches(),
            schema=table.schema,
            crs=None,
            bounds=BOUNDS,
            work_dir=path.parent,
            memory_bytes=0,
        )
    assert list(path.parent.iterdir()) == []


def test_a_failure_while_writing_leaves_no_file(path):
    def stop(rows: int) -> None:
        raise InterruptedError(rows)

    with pytest.raises(InterruptedError):
        write(path, footprints(3000), rule=SMALL_GROUPS, on_rows=stop)
    assert [file.name for file in path.parent.rglob("*")] == ["work"]
