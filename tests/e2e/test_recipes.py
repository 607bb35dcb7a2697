"""What a DatasetIngest can ask for: CRS, repair, simplification, several files; and what lineage says of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import yaml

from e2e.command import Answer, catalogue, run
from e2e.home import assert_at_rest, assert_never_run, sha256
from referees import validator_failures
from sources import write_json, write_vector

WKB = pa.binary()


def write(
    home: Path,
    name: str,
    wkt: list[str],
    *,
    crs: str = "EPSG:4326",
    kind: str = "Polygon",
    **columns: pa.Array,
) -> Path:
    """A GeoPackage in the landing zone, its rows numbered by `id`."""
    folder = home / "landing-zone" / "in"
    folder.mkdir(parents=True, exist_ok=True)
    shapes = pa.array(shapely.to_wkb(shapely.from_wkt(wkt)), WKB)
    table = pa.table({"id": pa.array(range(len(wkt)), pa.int64()), **columns, "geometry": shapes})
    return write_vector(folder / f"{name}.gpkg", table, driver="GPKG", crs=crs, geometry_type=kind)


def ingest(home: Path, *sources: Path, **recipe: object) -> Answer:
    """The answer to a DatasetIngest of the sources with `recipe`."""
    files = [
        {"path": f"s3://landing-zone/in/{path.name}", "type": "vector", "format": "GPKG"} for path in sources
    ]
    metadata = dict.fromkeys(("title", "description", "source", "license", "attribution"), "")
    document = {
        "apiVersion": "geoingest.dev/v1alpha1",
        "kind": "DatasetIngest",
        "metadata": {"name": "test"},
        "spec": {
            "batchId": "b",
            "uploader": "u",
            "intent": "ingest_vector",
            "files": files,
            "metadata": metadata | {"tags": {"dataset_id": "d"}},
            "recipe": recipe,
        },
    }
    path = home / "ingest.yaml"
    path.write_text(yaml.safe_dump(document))
    return run(home, path)


def succeeded(answer: Answer) -> geopandas.GeoDataFrame:
    assert answer.code == 0, answer
    assert validator_failures(Path(answer.document["path"])) == []
    return geopandas.read_parquet(answer.document["path"]).sort_values("id", ignore_index=True)


def steps(home: Path) -> dict[str, dict[str, object]]:
    """The steps that lineage tells of the one asset in the lake, by name."""
    [edge] = catalogue(home, "lineage")
    return {step["name"]: step for step in edge["parameters"]["steps"]}


SQUARE = "POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))"
BOW_TIE = "POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))"
SWISS = ["POINT (2600000.5 1200000.25)", "POINT (2700000.125 1250000.75)"]


def test_keep_leaves_crs_and_coordinates_alone(tmp_path):
    answer = ingest(
        tmp_path, write(tmp_path, "swiss", SWISS, crs="EPSG:2056", kind="Point"), targetCrs="keep"
    )
    frame = succeeded(answer)
    assert frame.crs == "EPSG:2056"
    assert [point.wkt for point in frame.geometry] == SWISS
    assert (answer.document["crs"], answer.document["bounds"]) == (
        "EPSG:2056",
        [2600000.5, 1200000.25, 2700000.125, 1250000.75],
    )
    assert "reproject" not in steps(tmp_path)


@pytest.mark.parametrize("target", ["EPSG:3857", "EPSG:25832", "EPSG:4326"])
def test_another_target_crs_agrees_with_geopandas(target, tmp_path):
    source = write(tmp_path, "swiss", SWISS, crs="EPSG:2056", kind="Point")
    frame = succeeded(ingest(tmp_path, source, targetCrs=target))
    expected = geopandas.read_file(source).to_crs(target)
    assert frame.crs == target
    np.testing.assert_allclose(
        shapely.get_coordinates(frame.geometry.values),
        shapely.get_coordinates(expected.geometry.values),
        rtol=1e-12,
    )
    assert steps(tmp_path)["reproject"] == {
        "name": "reproject",
        "parameters": {"target": target},
        "rows_changed": 2,
    }


def test_an_invalid_polygon_is_refused_when_the_recipe_says_so(tmp_path):
    answer = ingest(tmp_path, write(tmp_path, "bow", [SQUARE, BOW_TIE]), invalidGeometry="reject")
    assert (answer.code, answer.error["code"], answer.error["stage"]) == (1, "GEOMETRY_INVALID", "transform")
    assert "bow.gpkg" in answer.error["message"]
    assert_never_run(tmp_path)


def test_an_invalid_polygon_is_repaired_counted_and_its_original_kept(tmp_path):
    source = write(tmp_path, "bow", [SQUARE, BOW_TIE])
    answer = ingest(tmp_path, source)
    frame = succeeded(answer)
    assert frame.geometry.is_valid.all()
    assert shapely.area(frame.geometry.values).tolist() == [1.0, 0.5]
    assert steps(tmp_path)["repair"]["rows_changed"] == 1
    assert answer.document["warnings"]

    [asset] = catalogue(tmp_path, "assets")
    kept = tmp_path / "data-lake" / asset["repaired"]["s3_key"]
    assert asset["repaired"]["s3_key"] == "d/v1/repaired.parquet"
    assert (asset["repaired"]["rows"], asset["repaired"]["content_hash"]) == (1, f"sha256:{sha256(kept)}")
    [original] = pq.read_table(kept).to_pylist()
    assert (original["source"], original["row"]) == ("bow.gpkg", 1)
    assert "Self-intersection" in original["reason"]
    assert shapely.from_wkb(original["geom"]).equals_exact(shapely.from_wkt(BOW_TIE))
    assert_at_rest(tmp_path)


def test_simplification_happens_only_when_asked_for_and_is_told_with_its_tolerance(tmp_path):
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    circle = shapely.Polygon(np.column_stack([np.cos(angles), np.sin(angles)])).wkt
    source = write(tmp_path, "circle", [circle, SQUARE])
    plain = succeeded(ingest(tmp_path, source))
    assert shapely.get_num_coordinates(plain.geometry.values).tolist() == [721, 5]
    assert "simplify" not in steps(tmp_path)

    simple = succeeded(ingest(tmp_path, source, simplify={"tolerance": 0.01}))
    assert 5 < shapely.get_num_coordinates(simple.geometry.values)[0] < 100
    assert shapely.hausdorff_distance(simple.geometry[0].boundary, plain.geometry[0].boundary) <= 0.01 + 1e-9
    assert simple.geometry[1].equals_exact(plain.geometry[1])
    told = [
        step
        for step in catalogue(tmp_path, "lineage")[1]["parameters"]["steps"]
        if step["name"] == "simplify"
    ]
    assert told == [
        {"name": "simplify", "parameters": {"tolerance": 0.01, "unit": "target"}, "rows_changed": 1}
    ]


def test_files_in_different_crs_become_one_dataset(tmp_path):
    place = geopandas.GeoSeries.from_wkt(["POINT (8.25 47.5)"], crs="EPSG:4326")
    sources = [
        write(tmp_path, f"part{code}", [place.to_crs(code)[0].wkt], crs=f"EPSG:{code}", kind="Point")
        for code in (4326, 3857, 2056, 32632)
    ]
    frame = succeeded(ingest(tmp_path, *sources))
    assert len(frame) == 4
    np.testing.assert_allclose(shapely.get_coordinates(frame.geometry.values), [[8.25, 47.5]] * 4, atol=1e-8)
    [asset] = catalogue(tmp_path, "assets")
    assert asset["source_crs"] == ["EPSG:4326", "EPSG:3857", "EPSG:2056", "EPSG:32632"]
    assert len(asset["source_files"]) == 4


def test_files_in_different_crs_cannot_be_kept_as_they_are(tmp_path):
    sources = [
        write(tmp_path, f"part{code}", ["POINT (8 47)"], crs=f"EPSG:{code}", kind="Point")
        for code in (4326, 4258)
    ]
    answer = ingest(tmp_path, *sources, targetCrs="keep")
    assert (answer.code, answer.error["code"]) == (1, "CRS_MIXED")
    assert_never_run(tmp_path)


def test_polygons_and_multipolygons_of_several_files_are_promoted(tmp_path):
    single = write(tmp_path, "single", [SQUARE])
    multi = write(tmp_path, "multi", ["MULTIPOLYGON (((5 5, 6 5, 6 6, 5 6, 5 5)))"], kind="MultiPolygon")
    answer = ingest(tmp_path, single, multi)
    frame = succeeded(answer)
    assert answer.document["geometry_type"] == "MULTIPOLYGON"
    assert frame.geom_type.tolist() == ["MultiPolygon", "MultiPolygon"]
    assert shapely.area(frame.geometry.values).tolist() == [1.0, 1.0]
    assert steps(tmp_path)["promote_multi"]["rows_changed"] == 1


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        pytest.param(pa.int32(), pa.int64(), "int64", id="int32-int64"),
        pytest.param(pa.int32(), pa.float64(), "double", id="int32-float64"),
        pytest.param(pa.float32(), pa.float64(), "double", id="float32-float64"),
    ],
)
def test_field_types_of_several_files_are_promoted_without_loss(first, second, merged, tmp_path):
    values = [pa.array([7], pa.int32()).cast(kind) for kind in (first, second)]
    sources = [write(tmp_path, f"part{n}", [SQUARE], value=value) for n, value in enumerate(values)]
    answer = ingest(tmp_path, *sources)
    succeeded(answer)
    column = pq.read_table(answer.document["path"])["value"]
    assert str(column.type) == merged
    assert set(column.to_pylist()) == {values[1][0].as_py()}


def test_days_beside_local_times_become_times(tmp_path):
    sources = []
    for number, moment in enumerate(("2024-02-29", "2024-02-29T12:30:00")):
        geometry = {"type": "Point", "coordinates": [1, 2]}
        feature = {"type": "Feature", "properties": {"moment": moment}, "geometry": geometry}
        sources.append(
            write_json(tmp_path / f"{number}.geojson", {"type": "FeatureCollection", "features": [feature]})
        )
    answer = run(tmp_path, *sources)
    assert answer.code == 0, answer
    moments = pq.read_table(answer.document["path"])["moment"].to_pylist()
    assert sorted(moments) == [
        datetime.fromisoformat("2024-02-29"),
        datetime.fromisoformat("2024-02-29T12:30"),
    ]


def test_large_integers_beside_nulls_and_other_files_stay_exact(tmp_path):
    exact = [2**53 + 1, None, -(2**63), 2**63 - 1]
    large = write(tmp_path, "large", [SQUARE] * 4, value=pa.array(exact, pa.int64()))
    small = write(tmp_path, "small", [SQUARE], value=pa.array([5], pa.int32()))
    answer = ingest(tmp_path, large, small)
    succeeded(answer)
    values = pq.read_table(answer.document["path"])["value"].to_pylist()
    assert sorted(values, key=str) == sorted([*exact, 5], key=str)


def test_an_integer_that_a_float_cannot_hold_fails_rather_than_change(tmp_path):
    large = write(tmp_path, "large", [SQUARE], value=pa.array([2**53 + 1], pa.int64()))
    fraction = write(tmp_path, "fraction", [SQUARE], value=pa.array([0.5], pa.float64()))
    answer = ingest(tmp_path, large, fraction)
    assert (answer.code, answer.error["code"]) == (1, "VALUE_INEXACT")
    assert_never_run(tmp_path)


def test_a_field_that_one_file_lacks_is_an_error_that_names_it(tmp_path):
    full = write(tmp_path, "full", [SQUARE], value=pa.array([1]), colour=pa.array(["red"]))
    bare = write(tmp_path, "bare", [SQUARE])
    answer = ingest(tmp_path, full, bare)
    assert (answer.code, answer.error["code"]) == (1, "FIELDS_DIFFER")
    assert [(problem["path"], problem["message"]) for problem in answer.error["problems"]] == [
        ("bare.gpkg", "lacks 'value', 'colour'")
    ]
    assert_never_run(tmp_path)


def test_a_missing_field_is_null_when_the_recipe_allows_it(tmp_path):
    full = write(tmp_path, "full", [SQUARE], value=pa.array([1]), colour=pa.array(["red"]))
    bare = write(tmp_path, "bare", [SQUARE])
    answer = ingest(tmp_path, full, bare, allowMissingFields=True)
    succeeded(answer)
    rows = pq.read_table(answer.document["path"]).select(["id", "value", "colour"]).to_pylist()
    assert sorted(rows, key=str) == [
        {"id": 0, "value": 1, "colour": "red"},
        {"id": 0, "value": None, "colour": None},
    ]


def test_awkward_names_survive_with_their_mapping(tmp_path):
    names = ("geom", "Fid", "a-b", "a'b", "A-B", "n" * 80)
    feature = {
        "type": "Feature",
        "properties": {name: number for number, name in enumerate(names)},
        "geometry": {"type": "Point", "coordinates": [1, 2]},
    }
    source = write_json(tmp_path / "names.geojson", {"type": "FeatureCollection", "features": [feature]})
    answer = run(tmp_path, source)
    assert answer.code == 0, answer
    [row] = pq.read_table(answer.document["path"]).drop_columns(["geom", "bbox"]).to_pylist()
    assert sorted(row.values()) == list(range(len(names)))
    assert all(len(name.encode()) <= 63 for name in row)
    assert len({name.lower() for name in row}) == len(names)
    mapping = dict(catalogue(tmp_path, "assets")[0]["metadata"]["header_mapping"])
    assert {mapping.get(name, name): number for number, name in enumerate(names)} == row
