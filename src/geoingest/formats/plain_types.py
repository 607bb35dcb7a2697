"""Dictionaries and views as plain Arrow types, which every kernel takes and a file can hold one of.

Each batch may bring a dictionary of its own, and Arrow cannot take rows from views.
"""

from __future__ import annotations

import pyarrow as pa
from pyarrow import types


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with every dictionary and view type, nested ones too, replaced by the plain one."""
    return pa.schema([_plain_field(field) for field in schema], metadata=schema.metadata)


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(_plain_type(field.type))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if types.is_dictionary(kind):
        return kind.value_type
    if types.is_string_view(kind):
        return pa.string()
    if types.is_binary_view(kind):
        return pa.binary()
    return _plain_container(kind) if types.is_nested(kind) else kind


def _plain_container(kind: pa.DataType) -> pa.DataType:
    if types.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind.fields])
    if types.is_map(kind):
        key, item = _plain_field(kind.key_field), _plain_field(kind.item_field)
        return pa.map_(key, item, keys_sorted=kind.keys_sorted)
    element = _plain_field(kind.value_field)
    if types.is_fixed_size_list(kind):
        return pa.list_(element, kind.list_size)
    if types.is_large_list(kind):
        return pa.large_list(element)
    return pa.list_(element)
