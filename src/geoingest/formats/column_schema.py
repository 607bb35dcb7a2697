"""Columns of an Arrow schema or a Parquet file in the ledger's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from geoingest.formats.geo_metadata import geometry_columns
from geoingest.model.column_schema import ColumnDescription, TypeName

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

_EXTENSION_KEY: Final = b"ARROW:extension:name"
_GEOMETRY_EXTENSIONS: Final = ("geoarrow.", "ogc.wkb")
# GDAL puts a field's alias and comment there.
_TITLE_KEY: Final = b"GDAL:OGR:alternative_name"
_DESCRIPTION_KEY: Final = b"GDAL:OGR:comment"


def column_schema(
    schema: pa.Schema, *, geometry: Collection[str] = (), titles: Mapping[str, str] | None = None
) -> dict[str, ColumnDescription]:
    """Every column described, in the schema's order.

    Args:
        schema: its `geo` metadata and geoarrow extension types tell geometry columns; names never do.
        geometry: columns known to be geometry besides.
        titles: by column name; else the title is GDAL's alias of the field, else the name.
    """
    known = geometry_columns(schema.metadata) | frozenset(geometry)
    return {field.name: _described(field, field.name in known, titles or {}) for field in schema}


def read_column_schema(
    path: Path, *, titles: Mapping[str, str] | None = None
) -> dict[str, ColumnDescription]:
    """`column_schema` of a Parquet file; reads its footer only."""
    with pq.ParquetFile(path) as file:
        # pyarrow's schema leaves out the file's metadata when the writer added it after the schema.
        known = geometry_columns(file.metadata.metadata) | _native_geometry(file.schema)
        return column_schema(file.schema_arrow, geometry=known, titles=titles)


def _native_geometry(schema: pq.ParquetSchema) -> frozenset[str]:
    """Columns of Parquet's own geometry types."""
    leaves = (schema.column(number) for number in range(len(schema)))
    return frozenset(leaf.path for leaf in leaves if leaf.logical_type.type in ("GEOMETRY", "GEOGRAPHY"))


def _described(field: pa.Field, known: bool, titles: Mapping[str, str]) -> ColumnDescription:  # noqa: FBT001 (private)
    texts = field.metadata or {}
    return ColumnDescription(
        title=titles.get(field.name) or texts.get(_TITLE_KEY, b"").decode() or field.name,
        description=texts.get(_DESCRIPTION_KEY, b"").decode(),
        type_name=TypeName.GEOMETRY if known or _is_geometry(field) else _type_name(field.type),
        logical_type=str(field.type),
        nullable=field.nullable,
    )


def _is_geometry(field: pa.Field) -> bool:
    if isinstance(field.type, pa.BaseExtensionType):
        name = field.type.extension_name
    else:
        name = (field.metadata or {}).get(_EXTENSION_KEY, b"").decode()
    return bool(name.startswith(_GEOMETRY_EXTENSIONS))


def _type_name(kind: pa.DataType) -> TypeName:
    """Extension types go by their storage, dictionaries by their values."""
    if isinstance(kind, pa.BaseExtensionType):
        return _type_name(kind.storage_type)
    if types.is_dictionary(kind):
        return _type_name(kind.value_type)
    return next(
        (name for name, checks in _CHECKS.items() if any(check(kind) for check in checks)), TypeName.UNKNOWN
    )


_CHECKS: Final[Mapping[TypeName, tuple[Callable[[pa.DataType], bool], ...]]] = {
    TypeName.STRING: (types.is_string, types.is_large_string, types.is_string_view),
    TypeName.INTEGER: (types.is_integer,),
    TypeName.FLOAT: (types.is_floating,),
    TypeName.BOOLEAN: (types.is_boolean,),
    TypeName.TIMESTAMP: (types.is_timestamp,),
    TypeName.DATE: (types.is_date,),
    TypeName.TIME: (types.is_time,),
    TypeName.DECIMAL: (types.is_decimal,),
    TypeName.BINARY: (
        types.is_binary,
        types.is_large_binary,
        types.is_binary_view,
        types.is_fixed_size_binary,
    ),
    TypeName.ARRAY: (
        types.is_list,
        types.is_large_list,
        types.is_fixed_size_list,
        types.is_list_view,
        types.is_large_list_view,
    ),
    TypeName.STRUCT: (types.is_struct,),
    TypeName.MAP: (types.is_map,),
}
