from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from geoingest.formats.column_schema import column_schema, read_column_schema
from geoingest.model.column_schema import ColumnDescription, TypeName
from referees import spatial_duckdb

GEO = json.dumps({"version": "1.1.0", "primary_column": "shape", "columns": {"shape": {}}})


@pytest.mark.parametrize(
    ("kind", "type_name", "logical_type"),
    [
        pytest.param(pa.string(), "STRING", "string", id="string"),
        pytest.param(pa.large_string(), "STRING", "large_string", id="large-string"),
        pytest.param(pa.int8(), "INTEGER", "int8", id="int8"),
        pytest.param(pa.uint64(), "INTEGER", "uint64", id="uint64"),
        pytest.param(pa.float16(), "FLOAT", "halffloat", id="half"),
        pytest.param(pa.float64(), "FLOAT", "double", id="double"),
        pytest.param(pa.bool_(), "BOOLEAN", "bool", id="bool"),
        pytest.param(pa.timestamp("us"), "TIMESTAMP", "timestamp[us]", id="timestamp"),
        pytest.param(
            pa.timestamp("ms", "Europe/Zurich"),
            "TIMESTAMP",
            "timestamp[ms, tz=Europe/Zurich]",
            id="timestamp-zone",
        ),
        pytest.param(pa.date32(), "DATE", "date32[day]", id="date"),
        pytest.param(pa.time64("us"), "TIME", "time64[us]", id="time"),
        pytest.param(pa.decimal128(12, 3), "DECIMAL", "decimal128(12, 3)", id="decimal"),
        pytest.param(pa.binary(), "BINARY", "binary", id="binary"),
        pytest.param(pa.binary(16), "BINARY", "fixed_size_binary[16]", id="fixed-size-binary"),
        pytest.param(pa.list_(pa.int32()), "ARRAY", "list<item: int32>", id="list"),
        pytest.param(pa.large_list(pa.int32()), "ARRAY", "large_list<item: int32>", id="large-list"),
        pytest.param(
            pa.list_(pa.int32(), 2), "ARRAY", "fixed_size_list<item: int32>[2]", id="fixed-size-list"
        ),
        pytest.param(pa.struct([("a", pa.int8())]), "STRUCT", "struct<a: int8>", id="struct"),
        pytest.param(pa.map_(pa.string(), pa.int8()), "MAP", "map<string, int8>", id="map"),
        pytest.param(
            pa.dictionary(pa.int32(), pa.string()),
            "STRING",
            "dictionary<values=string, indices=int32, ordered=0>",
            id="dictionary",
        ),
        pytest.param(pa.json_(), "STRING", "extension<arrow.json>", id="json"),
        pytest.param(pa.duration("s"), "UNKNOWN", "duration[s]", id="duration"),
    ],
)
def test_every_arrow_type_has_its_name(kind, type_name, logical_type):
    schema = pa.schema([pa.field("x", kind, nullable=False)])
    assert column_schema(schema) == {
        "x": ColumnDescription(
            title="x",
            description="",
            type_name=TypeName(type_name),
            logical_type=logical_type,
            nullable=False,
        )
    }


def test_a_column_of_nothing_is_unknown_and_nullable():
    [column] = column_schema(pa.schema([("x", pa.null())])).values()
    assert (column.type_name, column.nullable) == ("UNKNOWN", True)


def type_names(schema: pa.Schema, **known) -> dict[str, str]:
    return {name: column.type_name for name, column in column_schema(schema, **known).items()}


def test_geometry_is_told_by_metadata_and_extension_type_never_by_name():
    marked = {"ARROW:extension:name": "geoarrow.wkb"}
    schema = pa.schema(
        [
            ("geom", pa.binary()),
            ("geometry", pa.binary()),
            ("shape", pa.binary()),
            pa.field("marked", pa.binary(), metadata=marked),
            ("told", pa.binary()),
        ],
        metadata={"geo": GEO},
    )
    assert type_names(schema, geometry=["told"]) == {
        "geom": "BINARY",
        "geometry": "BINARY",
        "shape": "GEOMETRY",
        "marked": "GEOMETRY",
        "told": "GEOMETRY",
    }


@pytest.mark.parametrize("geo", ["not json", "[]", "{}", '{"columns": 1}'])
def test_unreadable_geo_metadata_marks_nothing(geo):
    assert type_names(pa.schema([("shape", pa.binary())], metadata={"geo": geo})) == {"shape": "BINARY"}


def test_titles_come_from_the_caller_then_from_gdals_alias_then_from_the_name():
    aliased = {"GDAL:OGR:alternative_name": "Einwohner", "GDAL:OGR:comment": "am 31. Dezember"}
    schema = pa.schema(
        [pa.field("a", pa.int8()), pa.field("b", pa.int8(), metadata=aliased), pa.field("c", pa.int8())]
    )
    described = column_schema(schema, titles={"a": "Alter"})
    assert {name: (column.title, column.description) for name, column in described.items()} == {
        "a": ("Alter", ""),
        "b": ("Einwohner", "am 31. Dezember"),
        "c": ("c", ""),
    }


@pytest.mark.parametrize("added_late", [True, False])
def test_a_file_is_described_from_its_footer_wherever_its_geo_metadata_stands(tmp_path, added_late):
    path = tmp_path / "x.parquet"
    schema = pa.schema([("zone", pa.timestamp("us", "UTC")), ("shape", pa.binary())])
    with pq.ParquetWriter(path, schema if added_late else schema.with_metadata({"geo": GEO})) as writer:
        if added_late:
            writer.add_key_value_metadata({"geo": GEO})
    described = read_column_schema(path)
    assert [(name, column.type_name, column.logical_type) for name, column in described.items()] == [
        ("zone", "TIMESTAMP", "timestamp[us, tz=UTC]"),
        ("shape", "GEOMETRY", "binary"),
    ]


def test_the_native_geometry_type_of_parquet_is_geometry(tmp_path):
    path = tmp_path / "native.parquet"
    with spatial_duckdb() as connection:
        connection.execute(
            f"COPY (SELECT 1 AS id, ST_Point(1, 2) AS shape) TO '{path}' (GEOPARQUET_VERSION 'NONE')"
        )
    assert b"geo" not in (pq.read_metadata(path).metadata or {})
    assert [column.type_name for column in read_column_schema(path).values()] == ["INTEGER", "GEOMETRY"]


def test_a_description_with_an_unknown_key_is_refused():
    with pytest.raises(ValidationError, match="surprise"):
        ColumnDescription.model_validate(
            {
                "title": "",
                "description": "",
                "type_name": "STRING",
                "logical_type": "string",
                "nullable": True,
                "surprise": 1,
            }
        )
