"""Attribute columns of a layer: the exact Arrow type of each, and how GDAL's arrays become that type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from geoingest.errors.source import SourceUnreadableError
from geoingest.formats.arrow_stream import batches, layer_stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geoingest.formats.prepared import Prepared

# Drivers whose date-times carry a zone per value that their column type does not show.
_ZONES_PER_VALUE = {"FlatGeobuf", "GML", "LIBKML", "TopoJSON", "GPKG"}

# LIBKML adds these to every layer. The first say how to draw, and hold made-up defaults; the others are data when any
# feature has them.
_KML_DRAWING = {"altitudeMode", "tessellate", "extrude", "visibility", "drawOrder", "icon"}
_KML_OPTIONAL = ("id", "timestamp", "begin", "end", "description")

_ZONE = r"(Z|[+-]\d\d:?\d\d)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One attribute: its place in the driver's stream, the field it becomes, and whether a code stands for it."""

    index: int
    field: pa.Field
    coded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The attributes of a layer in order; `text_times` says that the stream must give date-times as text."""

    columns: tuple[Column, ...]
    text_times: bool
    warnings: tuple[str, ...]


def columns_of(prepared: Prepared, layer: str, schema: pa.Schema, *, name: str) -> Columns:
    """The attributes of `schema`, a stream's schema whose last column is the geometry."""
    fields = [(index, schema.field(index)) for index in range(len(schema) - 1)]
    if prepared.driver == "LIBKML":
        fields = _without_kml_fillers(prepared, layer, fields, name)
    times, warnings = _time_types(prepared, layer, [field for _, field in fields], name)
    decided = {**times, **prepared.types}
    text_times = any(pa.types.is_timestamp(field.type) and field.name in decided for _, field in fields)
    columns = tuple(_column(index, field, decided) for index, field in fields)
    return Columns(columns=columns, text_times=text_times, warnings=warnings)


def convert(array: pa.Array, column: Column, *, name: str) -> pa.Array:
    """A driver's array in the type of its column, exactly.

    Raises: SourceUnreadableError: the values do not fit the type that the file announced.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if column.coded:
        array = array.indices
    try:
        values = _cast(array, column.field.type)
        # GDAL hands on the bytes of text as they are.
        values.validate(full=True)
    except pa.ArrowInvalid as error:
        reason = f"field '{column.field.name}' has values that are no {column.field.type}"
        raise SourceUnreadableError(name=name, reason=reason) from error
    return values


def _cast(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Arrow parses no more digits than the target has: text goes through microseconds, which are the most there are."""
    if pa.types.is_string(array.type) and pa.types.is_timestamp(target):
        array = array.cast(pa.timestamp("us", tz=target.tz))
    elif pa.types.is_string(array.type) and pa.types.is_time(target):
        # Arrow reads no time of day from text, but a moment of some day.
        moments = pc.binary_join_element_wise("1970-01-01", array, "T").cast(pa.timestamp("us"))
        array = moments.cast(pa.time64("us"))
    return array.cast(target)


def _column(index: int, field: pa.Field, decided: dict[str, pa.DataType]) -> Column:
    target = field.type
    metadata = {}
    if isinstance(target, pa.BaseExtensionType):
        metadata["logical"] = "json" if target.extension_name == "arrow.json" else target.extension_name
        target = target.storage_type
    coded = pa.types.is_dictionary(target)
    if coded:
        target = target.index_type
    if field.name in decided:
        target = decided[field.name]
        metadata.pop("logical", None)
    title = (field.metadata or {}).get(b"GDAL:OGR:alternative_name", b"").decode()
    if title and title != field.name:
        metadata["title"] = title
    return Column(index=index, coded=coded, field=pa.field(field.name, target, metadata=metadata or None))


def _without_kml_fillers(
    prepared: Prepared, layer: str, fields: list[tuple[int, pa.Field]], name: str
) -> list[tuple[int, pa.Field]]:
    used = used_columns(prepared, layer, _KML_OPTIONAL, name=name)
    dropped = _KML_DRAWING | (set(_KML_OPTIONAL) - used)
    return [(index, field) for index, field in fields if field.name not in dropped]


def used_columns(prepared: Prepared, layer: str, names: Iterable[str], *, name: str) -> set[str]:
    """Those of the columns that hold any value."""
    used: set[str] = set()
    with layer_stream(prepared, layer, name=name, columns=list(names), geometry=False) as (_, reader):
        for batch in batches(reader, name=name):
            used |= {field for field in batch.schema.names if batch[field].null_count < len(batch)}
    return used


def _time_types(
    prepared: Prepared, layer: str, fields: list[pa.Field], name: str
) -> tuple[dict[str, pa.DataType], tuple[str, ...]]:
    """Types of the date-time columns of zones unknown, from all their values; and what the user should hear."""
    open_times = [
        field.name
        for field in fields
        if pa.types.is_timestamp(field.type) and field.type.tz is None and field.name not in prepared.types
    ]
    if not open_times or prepared.driver not in _ZONES_PER_VALUE:
        return {}, ()
    zoned, local = _zones(prepared, layer, open_times, name)
    types = {field: _time_type(field in zoned, field in local) for field in open_times}
    mixed = tuple(
        f"{name}: field '{field}' has date-times with and without a zone; it is kept as text"
        for field in open_times
        if field in zoned and field in local
    )
    utc_names = {field.name: pa.timestamp("ms", tz="UTC") for field in fields if _has_zone(field)}
    return {**utc_names, **types}, mixed


def _has_zone(field: pa.Field) -> bool:
    return pa.types.is_timestamp(field.type) and field.type.tz is not None


def _time_type(zoned: bool, local: bool) -> pa.DataType:  # noqa: FBT001 - two facts about one column
    if zoned and local:
        return pa.string()
    return pa.timestamp("ms", tz="UTC" if zoned else None)


def _zones(prepared: Prepared, layer: str, names: list[str], name: str) -> tuple[set[str], set[str]]:
    zoned: set[str] = set()
    local: set[str] = set()
    stream = layer_stream(prepared, layer, name=name, columns=names, geometry=False, text_times=True)
    with stream as (_, reader):
        for batch in batches(reader, name=name):
            for field in batch.schema.names:
                has_zone = pc.match_substring_regex(batch[field], _ZONE)
                if pc.any(has_zone).as_py():
                    zoned.add(field)
                if pc.any(pc.invert(has_zone)).as_py():
                    local.add(field)
    return zoned, local
