from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sources
from geoingest.errors.source import FieldsDifferError, FieldTypesDifferError, ValueInexactError
from geoingest.formats.schemas import merge_schemas, promote
from geoingest.formats.sniff import sniff
from geoingest.formats.vector_files import VectorLayer, open_layer, read_batches

ALL_TYPES = [
    pa.bool_(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.binary(), pa.date32(),
    pa.time32("ms"), pa.time64("us"), pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ms", tz="UTC"),
    pa.timestamp("us", tz="+01:00"), pa.list_(pa.int32()), pa.list_(pa.int64()), pa.list_(pa.string()),
]  # fmt: skip


def layer_of(folder: Path, name: str, *properties: dict[str, object]) -> VectorLayer:
    features = [
        {"type": "Feature", "properties": one, "geometry": {"type": "Point", "coordinates": [1, 2]}}
        for one in properties
    ]
    path = sources.write_json(folder / name, {"type": "FeatureCollection", "features": features})
    return open_layer(path, sniff(path))


def gpkg_of(folder: Path, name: str, **columns: pa.Array) -> VectorLayer:
    points = pa.array(
        [bytes.fromhex("0101000000000000000000F03F0000000000000040")] * len(next(iter(columns.values())))
    )
    path = sources.write_vector(folder / name, pa.table({**columns, "geometry": points}), driver="GPKG")
    return open_layer(path, sniff(path))


def rows_of(*layers: VectorLayer, **options: bool) -> list[dict[str, object]]:
    merged = merge_schemas(layers, **options)
    batches = [
        merged.conform(number, batch) for number, layer in enumerate(layers) for batch in read_batches(layer)
    ]
    table = pa.Table.from_batches(batches, schema=merged.schema)
    table.validate(full=True)
    return table.drop_columns(["geom"]).to_pylist()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (pa.int32(), pa.int64(), pa.int64()),
        (pa.int16(), pa.int32(), pa.int32()),
        (pa.int32(), pa.float64(), pa.float64()),
        (pa.int16(), pa.float32(), pa.float64()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.date32(), pa.timestamp("ms"), pa.timestamp("ms")),
        (pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("us")),
        (pa.timestamp("us", tz="+01:00"), pa.timestamp("ms", tz="UTC"), pa.timestamp("us", tz="UTC")),
        (pa.time32("ms"), pa.time64("us"), pa.time64("us")),
        (pa.list_(pa.int32()), pa.list_(pa.int64()), pa.list_(pa.int64())),
        (pa.date32(), pa.timestamp("ms", tz="UTC"), None),
        (pa.timestamp("ms"), pa.timestamp("ms", tz="UTC"), None),
        (pa.bool_(), pa.int32(), None),
        (pa.string(), pa.int32(), None),
        (pa.string(), pa.date32(), None),
        (pa.list_(pa.int32()), pa.int32(), None),
        (pa.list_(pa.int32()), pa.list_(pa.string()), None),
    ],
)
def test_types_are_promoted_to_the_widest_or_not_at_all(one, other, expected):
    assert promote(one, other) == expected
    assert promote(other, one) == expected


@given(one=st.sampled_from(ALL_TYPES), other=st.sampled_from(ALL_TYPES))
def test_promotion_asks_nothing_of_order_and_stays_at_its_result(one, other):
    wide = promote(one, other)
    assert wide == promote(other, one)
    if wide is not None:
        assert promote(wide, one) == promote(wide, other) == wide


def test_one_layer_keeps_its_schema_with_final_names(tmp_path):
    merged = merge_schemas([layer_of(tmp_path, "a.geojson", {"a-b": 1, "geom": "x", "Name": "n"})])
    assert merged.renamed == (("a-b", "a_b"), ("geom", "geom_1"), ("Name", "Name"))
    assert merged.schema == pa.schema(
        [("a_b", pa.int32()), ("geom_1", pa.string()), ("Name", pa.string()), ("geom", pa.binary())]
    )


def test_integers_and_days_widen_without_loss(tmp_path):
    first = layer_of(tmp_path, "a.geojson", {"n": 1, "t": "2024-01-02"})
    second = layer_of(tmp_path, "b.geojson", {"t": "2024-01-02T03:04:05", "n": 2**62})
    assert rows_of(first, second) == [
        {"n": 1, "t": datetime(2024, 1, 2)},  # noqa: DTZ001
        {"n": 2**62, "t": datetime(2024, 1, 2, 3, 4, 5)},  # noqa: DTZ001
    ]


def test_integers_become_floats_when_every_one_is_exact(tmp_path):
    layers = [
        layer_of(tmp_path, "a.geojson", {"n": 2**53}, {"n": None}),
        layer_of(tmp_path, "b.geojson", {"n": 0.5}),
    ]
    assert rows_of(*layers) == [{"n": 9007199254740992.0}, {"n": None}, {"n": 0.5}]


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1])
def test_an_integer_that_a_float_would_round_is_an_error_naming_file_and_field(value, tmp_path):
    layers = [layer_of(tmp_path, "a.geojson", {"n": 0.5}), layer_of(tmp_path, "b.geojson", {"n": value})]
    with pytest.raises(ValueInexactError, match=r"b\.geojson: field 'n'"):
        rows_of(*layers)


def test_text_with_anything_else_is_an_error_with_both_files(tmp_path):
    layers = [layer_of(tmp_path, "a.geojson", {"n": "x"}), layer_of(tmp_path, "b.geojson", {"n": 1})]
    with pytest.raises(FieldTypesDifferError, match=r"string in a\.geojson, int32 in b\.geojson"):
        merge_schemas(layers)


@pytest.mark.parametrize("order", [1, -1])
def test_a_field_without_any_value_takes_the_others_type(order, tmp_path):
    layers = [layer_of(tmp_path, "a.geojson", {"n": None}), layer_of(tmp_path, "b.geojson", {"n": 5})][
        ::order
    ]
    assert rows_of(*layers) == [{"n": None}, {"n": 5}][::order]


def test_fields_are_matched_by_name_in_the_first_files_order(tmp_path):
    layers = [
        layer_of(tmp_path, "a.geojson", {"a": 1, "b": 2}),
        layer_of(tmp_path, "b.geojson", {"b": 3, "a": 4}),
    ]
    assert [tuple(row.items()) for row in rows_of(*layers)] == [(("a", 1), ("b", 2)), (("a", 4), ("b", 3))]


def test_missing_and_extra_fields_are_an_error_that_names_them(tmp_path):
    layers = [
        layer_of(tmp_path, "a.geojson", {"a": 1, "b": 2}),
        layer_of(tmp_path, "b.geojson", {"a": 3, "c": 4}),
    ]
    with pytest.raises(FieldsDifferError) as caught:
        merge_schemas(layers)
    assert caught.value.as_dict()["problems"] == [
        {"path": "b.geojson", "message": "lacks 'b'"},
        {"path": "b.geojson", "message": "has 'c', which a.geojson lacks"},
    ]


def test_missing_fields_are_null_when_allowed(tmp_path):
    layers = [
        layer_of(tmp_path, "a.geojson", {"a": 1, "b": 2}),
        layer_of(tmp_path, "b.geojson", {"a": 3, "c": 4}),
    ]
    assert rows_of(*layers, allow_missing_fields=True) == [
        {"a": 1, "b": 2, "c": None},
        {"a": 3, "b": None, "c": 4},
    ]


def test_names_that_differ_by_case_are_two_fields(tmp_path):
    layers = [layer_of(tmp_path, "a.geojson", {"Name": "x"}), layer_of(tmp_path, "b.geojson", {"name": "y"})]
    assert rows_of(*layers, allow_missing_fields=True) == [
        {"Name": "x", "name_1": None},
        {"Name": None, "name_1": "y"},
    ]


def test_an_attribute_called_geom_is_not_taken_for_the_geometry(tmp_path):
    layer = layer_of(tmp_path, "a.geojson", {"geom": "text"})
    assert rows_of(layer) == [{"geom_1": "text"}]


def test_files_of_different_formats_go_together(tmp_path):
    first = layer_of(tmp_path, "a.geojson", {"n": 1, "t": "2024-01-02T03:04:05.000006Z"})
    second = gpkg_of(
        tmp_path,
        "b.gpkg",
        n=pa.array([2**60], pa.int64()),
        t=pa.array([datetime(2024, 1, 2, tzinfo=UTC)], pa.timestamp("ms", tz="UTC")),
    )
    assert rows_of(first, second) == [
        {"n": 1, "t": datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)},
        {"n": 2**60, "t": datetime(2024, 1, 2, tzinfo=UTC)},
    ]


def test_the_mark_of_json_survives_only_where_every_file_has_it(tmp_path):
    nested = layer_of(tmp_path, "a.geojson", {"a": {"b": 1}})
    text = layer_of(tmp_path, "b.geojson", {"a": "x"})
    assert merge_schemas([nested, nested]).schema.field("a").metadata == {b"logical": b"json"}
    merged = merge_schemas([nested, text])
    assert merged.schema.field("a").metadata is None
    assert [json.loads(rows_of(nested)[0]["a"]), rows_of(text)[0]["a"]] == [{"b": 1}, "x"]


def test_days_stay_days_when_every_file_has_days(tmp_path):
    layers = [layer_of(tmp_path, f"{name}.geojson", {"d": "2024-02-29"}) for name in "ab"]
    assert rows_of(*layers) == [{"d": date(2024, 2, 29)}] * 2
