"""The PostGIS engine keeps the contract of engines, and gives what the embedded engine gives."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely
from psycopg import sql

from geoingest import naming
from geoingest.engines import open_space
from geoingest.engines.postgis_apply import execute_watched
from geoingest.engines.postgis_schemas import drop_schema, find_server
from geoingest.errors.postgis import PostgisUnavailableError
from geoingest.errors.run import RunCanceledError, SourceNotFoundError
from geoingest.recipes import Linearise, PromoteMulti, Recipe, Repair, Reproject, Simplify, steps
from spaces import SCHEMA, WGS84, SpaceContract, apply, batch, read, write


@pytest.fixture
def new_space(server, run_id, tmp_path):
    scratch, work_dir = tmp_path / "scratch", tmp_path / "work"
    scratch.mkdir()
    work_dir.mkdir()
    yield partial(
        open_space,
        engine="postgis",
        run_id=run_id,
        dsn=server.dsn,
        scratch=scratch,
        work_dir=work_dir,
        threads=2,
    )
    drop_schema(server.dsn, run_id)


class TestPostgisSpace(SpaceContract):
    """All of it, over a server."""


MIXED = [
    "POINT (144.5 -37.25)",
    "POINT Z (144.5 -37.25 1200)",
    "POINT M (144.5 -37.25 7)",
    "LINESTRING ZM (144 -37 5 1, 145 -38 6 2)",
    "POLYGON ((144 -37, 144 -38, 145 -38, 145 -37, 144 -37), (144.2 -37.2, 144.4 -37.2, 144.4 -37.4, 144.2 -37.2))",
    "MULTIPOLYGON (((144 -37, 146 -39, 146 -37, 144 -39, 144 -37)))",
    "POLYGON Z ((144 -37 1, 146 -39 2, 146 -37 3, 144 -39 4, 144 -37 1))",
    "POLYGON ((144 -37, 145 -37, 144 -37, 144 -37))",
    "GEOMETRYCOLLECTION (LINESTRING (144 -37, 145 -37), POLYGON ((144 -37, 144 -38, 145 -38, 144 -37)))",
    "GEOMETRYCOLLECTION EMPTY",
    "POINT EMPTY",
    "POLYGON EMPTY",
    "MULTIPOINT ((144 -37), (145 -38))",
    "MULTILINESTRING ((144 -37, 145 -38), (144 -38, 145 -37))",
    None,
]
CURVE = bytes.fromhex("010800000003000000") + np.array([[144.0, -37], [144.5, -36.5], [145, -37]]).tobytes()


def mixed_table():
    """Every kind of geometry beside attributes that PostgreSQL has no type for."""
    geometry = [
        batch([None if wkt is None else shapely.from_wkt(wkt)]).column("geom")[0].as_py() for wkt in MIXED
    ]
    geometry.append(CURVE)
    rows = len(geometry)
    columns = {
        "big": pa.array([2**64 - 1 - row for row in range(rows)], pa.uint64()),
        "list": pa.array([[row, None] if row % 3 else None for row in range(rows)], pa.list_(pa.int16())),
        "struct": pa.array([{"a": "x\0y", "b": row / 3} for row in range(rows)]),
        "time": pa.array([row * 1_000_000_007 + 1 for row in range(rows)], pa.time64("ns")),
        "decimal": pa.array([None, *range(1, rows)], pa.decimal128(38, 9)),
        "kind": pa.array(["house", "shed"] * rows).slice(0, rows).dictionary_encode(),
        "nan": pa.array([float("nan")] * rows, pa.float32()),
        "geom": pa.array(geometry, pa.large_binary()),
    }
    return pa.table(columns)


def result(space, table, planned, crs=WGS84):
    space.write(0, schema=table.schema, crs=crs, batches=table.to_batches(5))
    applied = apply(space, planned)
    schema, batches = space.read()
    return applied, pa.Table.from_batches(list(batches), schema).combine_chunks()


@pytest.mark.parametrize(
    "planned",
    [
        pytest.param(steps(Recipe()), id="default recipe"),
        pytest.param(steps(Recipe(target_crs="EPSG:28355")), id="reprojected"),
        pytest.param(
            [Linearise(), PromoteMulti(), Reproject(target="EPSG:3857"), Repair(policy="repair")],
            id="promoted",
        ),
    ],
)
def test_both_engines_give_the_same_rows_attributes_and_effects(new_space, tmp_path, planned):
    table = mixed_table()
    other = open_space(engine="embedded", run_id="", dsn=None, scratch=tmp_path, work_dir=tmp_path, threads=2)
    (applied, got), (expected_applied, expected) = (
        result(space, table, planned) for space in (new_space(), other)
    )
    assert got.schema == expected.schema
    assert got.drop_columns(["geom", "nan"]).equals(expected.drop_columns(["geom", "nan"]))
    for one, another in zip(got.column("geom").to_pylist(), expected.column("geom").to_pylist(), strict=True):
        assert (one is None) == (another is None)
        if one is not None:
            assert one[:5] == another[:5]
            np.testing.assert_allclose(numbers(one), numbers(another), rtol=0, atol=1e-4)
    for name in ("rows", "crs", "types", "effects", "repaired_rows"):
        assert getattr(applied, name) == getattr(expected_applied, name), name
    assert applied.bounds == pytest.approx(expected_applied.bounds, rel=0, abs=1e-4)
    assert pq.read_table(applied.repaired).equals(pq.read_table(expected_applied.repaired))


def numbers(geometry):
    return shapely.get_coordinates(shapely.from_wkb(geometry), include_z=True, include_m=True)


def test_postgis_itself_does_what_it_is_trusted_with_in_an_unlogged_table(new_space, superuser, run_id):
    result(new_space(), mixed_table(), steps(Recipe(target_crs="EPSG:28355")))
    schema = naming.schema_name(run_id)
    counted = superuser.execute(
        sql.SQL("SELECT count(geom), count(wkb) FROM {}.transformed_0").format(sql.Identifier(schema))
    ).fetchone()
    # Left to the function: three invalid ones, two with a measure, two collections and the curve.
    assert counted == (7, 8)
    kinds = (
        "SELECT DISTINCT relpersistence::text"
        " FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s"
    )
    assert superuser.execute(kinds, [schema]).fetchall() == [("u",)]


@pytest.mark.parametrize(
    ("source", "target", "xyz"),
    [
        pytest.param("EPSG:31467", "EPSG:25832", (3_400_000, 5_400_000, 0), id="PROJ versions disagree"),
        pytest.param("EPSG:4326", "EPSG:27700", (-2, 54, 1000), id="height takes part in the datum shift"),
        pytest.param("EPSG:4326+5773", "EPSG:32632", (9, 50, 100), id="compound"),
        pytest.param("ESRI:102100", "EPSG:4326", (1_000_000, 6_000_000, 0), id="not EPSG's"),
        pytest.param("OGC:CRS84", "EPSG:3857", (9, 50, 0), id="the other name of WGS 84"),
    ],
)
def test_points_go_where_pyproj_puts_them_whatever_the_server_thinks(new_space, source, target, xyz):
    space = new_space()
    point = shapely.Point(*xyz)
    write(space, ([point], pyproj.CRS(source).to_json()))
    apply(space, [Reproject(target=target)])
    flat = pyproj.CRS(source)
    flat = flat.sub_crs_list[0] if flat.is_compound else flat
    expected = pyproj.Transformer.from_crs(flat, target, always_xy=True).transform(*xyz[:2])
    got = shapely.get_coordinates(read(space)[1], include_z=True)[0]
    np.testing.assert_allclose(got, [*expected, xyz[2]], rtol=0, atol=1e-4)


def test_a_source_that_breaks_while_it_is_read_is_told_as_it_broke(new_space):
    def broken():
        yield batch([shapely.Point(1, 1)])
        raise SourceNotFoundError(path="a.gpkg")

    with pytest.raises(SourceNotFoundError, match="a.gpkg"):
        new_space().write(0, schema=SCHEMA, crs=WGS84, batches=broken())


def test_a_part_of_which_a_try_was_cut_short_keeps_what_an_earlier_try_finished(new_space):
    space = new_space()
    write(space, ([shapely.Point(1, 1)], WGS84))

    def broken():
        yield batch([shapely.Point(9, 9)])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        new_space().write(0, schema=SCHEMA, crs=WGS84, batches=broken())
    apply(space, steps(Recipe()))
    assert read(space)[1].tolist() == [shapely.Point(1, 1)]


def test_what_stops_a_run_stops_the_statement_it_waits_for(server, superuser):
    def stop():
        raise RunCanceledError(run_id="r")

    started = time.monotonic()
    with find_server(server.dsn).session() as session, pytest.raises(RunCanceledError):
        execute_watched(session, sql.SQL("SELECT pg_sleep(60)"), stop)
    assert time.monotonic() - started < 20
    active = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'geoingest' AND state = 'active'"
    assert superuser.execute(active).fetchone() == (0,)


def test_a_server_that_goes_away_while_a_table_is_read_is_an_outage(new_space, superuser):
    space = new_space()
    shapes = [shapely.box(0, 0, 1, 1)] * 200_000
    write(space, (shapes, WGS84))
    apply(space, [])
    _, batches = space.read()
    next(batches)
    superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'geoingest'")
    with pytest.raises(PostgisUnavailableError, match="PostGIS at 127"):
        list(batches)


def test_simplification_of_both_engines_stays_within_the_tolerance(new_space):
    space = new_space()
    noisy = [shapely.transform(shapely.Point(n, n).buffer(1, quad_segs=40), np.asarray) for n in range(50)]
    write(space, (noisy, WGS84))
    applied = apply(space, [Simplify(tolerance=0.01, unit="target")])
    found = read(space)[1]
    assert applied.effects[0].rows_changed == 50
    assert shapely.is_valid(found).all()
    assert (shapely.hausdorff_distance(found, noisy) <= 0.01).all()


def test_the_shortcut_before_simplification_changes_no_result(new_space, superuser, run_id):
    random = np.random.default_rng(7)
    shapes = []
    for _ in range(3000):
        corners = int(random.integers(3, 40))
        angles = np.sort(random.uniform(0, 2 * np.pi, corners))
        radii = random.choice([0.005, 0.02, 1.0]) * random.uniform(0.9, 1.1, corners)
        ring = np.column_stack([np.cos(angles), np.sin(angles)]) * radii[:, None]
        shapes.append(shapely.Polygon(ring) if random.random() < 0.7 else shapely.LineString(ring))
    space = new_space()
    write(space, (shapes, WGS84))
    applied = apply(space, [Simplify(tolerance=0.01, unit="target")])
    schema = sql.Identifier(naming.schema_name(run_id))
    careful = superuser.execute(
        sql.SQL(
            "SELECT ST_AsBinary(ST_SimplifyPreserveTopology(geom::geometry, 0.01)) FROM {}.loaded_0 ORDER BY row"
        ).format(schema)
    ).fetchall()
    _, found = read(space)
    expected = shapely.from_wkb([bytes(wkb) for (wkb,) in careful])
    fewer = shapely.get_num_coordinates(expected) < shapely.get_num_coordinates(shapes)
    assert 500 < fewer.sum() < 2900
    assert applied.effects[0].rows_changed == fewer.sum()
    assert shapely.equals_exact(shapely.normalize(found), shapely.normalize(expected), 0).all()
