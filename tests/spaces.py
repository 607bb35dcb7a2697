"""The contract of an engine: what comes out of the steps, whichever engine applied them.

Tolerance: reprojected coordinates agree with PROJ through pyproj to a tenth of a millimetre (1e-9 of a degree, 1e-4 of
a metre). Simplified boundaries stay within the tolerance asked for; which vertices they keep is GEOS's choice, which
changes between its versions. Everything else is exact: rows, order, attributes, types, repairs, effects, untouched
coordinates.
"""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from geoingest.errors.geometry import (
    CoordinatesUnprojectableError,
    CrsMixedError,
    GeometryInvalidError,
)
from geoingest.recipes import Linearise, PromoteMulti, Recipe, Repair, Reproject, Simplify, steps

MGA55, WGS84, MERCATOR = (pyproj.CRS(code).to_json() for code in ("EPSG:28355", "EPSG:4326", "EPSG:3857"))
SCHEMA = pa.schema([("id", pa.int64()), ("geom", pa.binary())])
BOW_TIE = shapely.from_wkt("POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))")


def batch(shapes, first=0):
    geometry = [
        None if shape is None else shapely.to_wkb(shape, flavor="iso", output_dimension=4) for shape in shapes
    ]
    return pa.record_batch(
        [pa.array(range(first, first + len(shapes)), pa.int64()), pa.array(geometry, pa.binary())],
        schema=SCHEMA,
    )


def write(space, *parts):
    for number, (shapes, crs) in enumerate(parts):
        space.write(number, schema=SCHEMA, crs=crs, batches=[batch(shapes)])


def apply(space, planned, parts=1):
    return space.apply(planned, names=[f"part-{n}" for n in range(parts)], on_rows=lambda _: None)


def read(space):
    schema, batches = space.read()
    table = pa.Table.from_batches(list(batches), schema)
    return table.column("id").to_pylist(), shapely.from_wkb(
        table.column("geom").to_numpy(zero_copy_only=False)
    )


def read_after(space, planned):
    apply(space, planned)
    return read(space)[1]


class SpaceContract:
    """An engine's class of tests gives the fixture `new_space`, which opens the same run's space again and again."""

    @pytest.fixture
    def space(self, new_space):
        return new_space()

    def test_what_was_written_is_told_by_its_rows_types_and_bounds(self, space):
        shapes = [shapely.Point(1, 2), None, shapely.from_wkt("LINESTRING (0 0, 5 9)"), shapely.Point()]
        facts = space.write(0, schema=SCHEMA, crs=WGS84, batches=[batch(shapes)])
        assert (facts.rows, facts.types, facts.bounds) == (4, (1, 2), (0.0, 0.0, 5.0, 9.0))

    def test_rows_keep_their_order_and_their_nulls_however_many_chunks_there_are(self, space):
        shapes = [shapely.Point(n % 170, n % 80) if n % 7 else None for n in range(30_000)]
        space.write(0, schema=SCHEMA, crs=WGS84, batches=[batch(shapes[:17], 0), batch(shapes[17:], 17)])
        applied = apply(space, steps(Recipe()))
        ids, found = read(space)
        assert (ids, applied.rows) == (list(range(30_000)), 30_000)
        assert [shape is None for shape in found] == [shape is None for shape in shapes]

    def test_reprojection_agrees_with_proj_and_keeps_z(self, space):
        xy = np.array([[321_000.5, 5_811_000.25], [333_333.0, 5_822_222.0]])
        write(space, (shapely.points(np.column_stack([xy, [7.0, 8.0]])), MGA55))
        applied = apply(space, [Reproject(target="EPSG:4326")])
        _, found = read(space)
        x, y = pyproj.Transformer.from_crs(28355, 4326, always_xy=True).transform(xy[:, 0], xy[:, 1])
        got = shapely.get_coordinates(found, include_z=True)
        np.testing.assert_allclose(got, np.column_stack([x, y, [7.0, 8.0]]), rtol=0, atol=1e-9)
        assert json.loads(applied.crs)["id"] == {"authority": "EPSG", "code": 4326}
        assert applied.effects[0].rows_changed == 2

    def test_the_same_crs_changes_not_a_bit(self, space):
        shape = shapely.Point(0.1 + 0.2, 1e-300)
        write(space, ([shape], pyproj.CRS("OGC:CRS84").to_json()))
        assert apply(space, steps(Recipe())).effects[1].rows_changed == 0
        assert read(space)[1][0].wkb == shape.wkb

    def test_each_part_is_reprojected_from_its_own_crs(self, space):
        write(
            space,
            ([shapely.Point(321_000, 5_811_000)], MGA55),
            ([shapely.Point(16_134_000, -4_550_000)], MERCATOR),
        )
        apply(space, steps(Recipe()), parts=2)
        bounds = shapely.bounds(read(space)[1])
        assert ((bounds[:, 0] > 140) & (bounds[:, 0] < 150) & (bounds[:, 1] < -30)).all()

    def test_keeping_the_crs_of_parts_that_differ_is_refused(self, space):
        write(space, ([shapely.Point(1, 1)], WGS84), ([shapely.Point(1, 1)], MERCATOR))
        with pytest.raises(CrsMixedError, match="part-0 and part-1"):
            apply(space, steps(Recipe(target_crs="keep")), parts=2)

    def test_keep_leaves_coordinates_and_crs_alone(self, space):
        write(space, ([shapely.Point(321_000.125, 5_811_000)], MGA55))
        applied = apply(space, steps(Recipe(target_crs="keep")))
        assert read(space)[1][0] == shapely.Point(321_000.125, 5_811_000)
        assert json.loads(applied.crs)["id"]["code"] == 28355

    def test_an_invalid_geometry_is_repaired_counted_and_its_original_kept(self, space):
        write(space, ([shapely.Point(1, 1), BOW_TIE, None], WGS84))
        applied = apply(space, steps(Recipe()))
        _, found = read(space)
        assert shapely.is_valid(found[:2]).all()
        assert found[1].area == pytest.approx(2.0)
        assert (applied.repaired_rows, applied.effects[2].rows_changed) == (1, 1)
        [kept] = pq.read_table(applied.repaired).to_pylist()
        assert (kept["source"], kept["row"], kept["crs"]) == ("part-0", 1, WGS84)
        assert kept["reason"].startswith("Self-intersection")
        assert shapely.from_wkb(kept["geom"]) == BOW_TIE

    def test_the_original_of_a_repair_is_in_the_crs_it_was_read_in(self, space):
        moved = shapely.transform(BOW_TIE, lambda xy: xy * 100 + [321_000, 5_811_000])
        write(space, ([moved], MGA55))
        applied = apply(space, steps(Recipe()))
        assert shapely.from_wkb(pq.read_table(applied.repaired).to_pylist()[0]["geom"]) == moved

    def test_no_file_of_originals_when_nothing_was_repaired(self, space):
        write(space, ([shapely.Point(1, 1)], WGS84))
        assert apply(space, steps(Recipe())).repaired is None

    def test_invalid_geometry_fails_when_the_recipe_rejects_it(self, space):
        write(space, ([shapely.Point(1, 1), BOW_TIE], WGS84))
        with pytest.raises(GeometryInvalidError, match=r"part-0: row 1 is not valid: Self-intersection"):
            apply(space, steps(Recipe(invalid_geometry="reject")))

    def test_a_point_without_image_in_the_target_is_an_error_that_names_its_row(self, space):
        write(space, ([shapely.Point(1, 1), shapely.Point(0, 95)], WGS84))
        with pytest.raises(CoordinatesUnprojectableError, match="part-0: row 1"):
            apply(space, [Reproject(target="EPSG:3857")])

    def test_single_and_multi_become_multi_when_promoted_and_nothing_else_changes(self, space):
        shapes = [
            shapely.box(0, 0, 1, 1),
            shapely.multipolygons([shapely.box(2, 2, 3, 3)]),
            shapely.Polygon(),
            None,
        ]
        write(space, (shapes, WGS84))
        applied = apply(space, [PromoteMulti()])
        assert applied.types == (6,)
        assert [shape if shape is None else shape.wkt for shape in read(space)[1]] == [
            "MULTIPOLYGON (((1 0, 1 1, 0 1, 0 0, 1 0)))",
            "MULTIPOLYGON (((3 2, 3 3, 2 3, 2 2, 3 2)))",
            "MULTIPOLYGON EMPTY",
            None,
        ]

    def test_curves_become_lines_within_four_degrees(self, space):
        # A half circle of radius 1 as ISO WKB CircularString.
        curve = bytes.fromhex("010800000003000000") + np.array([[-1.0, 0], [0, 1], [1, 0]]).tobytes()
        table = pa.record_batch([pa.array([0], pa.int64()), pa.array([curve], pa.binary())], schema=SCHEMA)
        space.write(0, schema=SCHEMA, crs=WGS84, batches=[table])
        applied = apply(space, [Linearise()])
        line = read(space)[1][0]
        assert (applied.types, applied.effects[0].rows_changed) == ((2,), 1)
        assert line.length == pytest.approx(np.pi, rel=1e-3)
        assert shapely.get_num_points(line) >= 180 / 4 + 1

    def test_simplification_happens_only_when_asked_for_and_keeps_validity(self, space):
        noisy = shapely.Point(0, 0).buffer(1, quad_segs=64)
        write(space, ([noisy, shapely.box(0, 0, 1, 1)], WGS84))
        assert shapely.get_num_coordinates(read_after(space, steps(Recipe())))[
            0
        ] == shapely.get_num_coordinates(noisy)
        simpler = read_after(space, [Simplify(tolerance=0.05, unit="target")])
        assert shapely.get_num_coordinates(simpler)[0] < 64
        assert shapely.is_valid(simpler).all()
        assert shapely.hausdorff_distance(simpler[0], noisy) <= 0.05

    def test_rings_come_out_counter_clockwise(self, space):
        clockwise = shapely.from_wkt("POLYGON ((0 0, 0 3, 3 3, 3 0, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))")
        write(space, ([clockwise], WGS84))
        [found] = read_after(space, [Repair(policy="repair")])
        assert found.exterior.is_ccw
        assert not found.interiors[0].is_ccw

    def test_nothing_at_all_gives_no_bounds_and_no_types(self, space):
        write(space, ([None, None], WGS84))
        applied = apply(space, steps(Recipe()))
        assert (applied.rows, applied.bounds, applied.types) == (2, None, ())

    def test_a_stage_done_again_replaces_what_the_first_try_left(self, new_space, tmp_path):
        first = new_space()
        write(first, ([BOW_TIE], WGS84))
        apply(first, steps(Recipe()))
        again = new_space()
        write(again, ([shapely.Point(3, 4)], WGS84))
        applied = apply(again, steps(Recipe()))
        assert (applied.rows, applied.repaired, read(again)[1][0]) == (1, None, shapely.Point(3, 4))
        again.drop()
        again.drop()
        assert not (tmp_path / "scratch").exists()
