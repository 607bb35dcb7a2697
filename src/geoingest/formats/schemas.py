"""Several layers as one dataset: fields matched by name, types promoted to the narrowest that holds both exactly.

Owns the rules of promotion and their check on the data; a value that would change is an error, never a rounding.
Attributes get their final names here (rule of `headers.rename_attributes`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from geoingest.errors import Problem
from geoingest.errors.source import FieldsDifferError, FieldTypesDifferError, ValueInexactError, listed
from geoingest.formats.headers import rename_attributes
from geoingest.formats.vector_files import is_all_null

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from geoingest.formats.vector_files import VectorLayer

# Beyond it a float64 does not hold every integer.
_FLOAT_EXACT = 2**53
_UNITS = ("s", "ms", "us", "ns")

# A field of a layer: its name, and which of the fields of that name it is.
_Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The common schema of several layers.

    `schema`: attributes under their final names, then `geom`; `renamed`: (original, final) name of every attribute in
    order; `files`: what the layers' files are called.
    """

    schema: pa.Schema
    renamed: tuple[tuple[str, str], ...]
    files: tuple[str, ...]

    def conform(self, number: int, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of layer `number` (its last column the geometry) under this schema; missing fields are null.

        Raises: ValueInexactError: a value would change.
        """
        places = {key: index for index, (key, _) in enumerate(_keyed(list(batch.schema)[:-1]))}
        originals = [pa.field(original, pa.null()) for original, _ in self.renamed]
        arrays = []
        for (key, _), field in zip(_keyed(originals), self.schema, strict=False):
            if key in places:
                values = batch.column(places[key])
                arrays.append(_exact(values, field.type, field=key[0], name=self.files[number]))
            else:
                arrays.append(pa.nulls(len(batch), field.type))
        return pa.RecordBatch.from_arrays([*arrays, batch.column(batch.num_columns - 1)], schema=self.schema)


def merge_schemas(
    layers: Sequence[VectorLayer],
    *,
    allow_missing_fields: bool = False,
    all_null: Callable[[VectorLayer, str], bool] = is_all_null,
) -> Merged:
    """The schema that holds every layer's attributes exactly, in the first layer's order, later ones appended.

    Args: allow_missing_fields: fields that some layers lack are null there; all_null: tells of a text field that
        meets another type whether it has any value at all.
    Raises: FieldsDifferError, FieldTypesDifferError.
    """
    by_layer = [(layer, dict(_keyed(layer.schema))) for layer in layers]
    keys = list(dict.fromkeys(key for _, fields in by_layer for key in fields))
    if not allow_missing_fields and (problems := list(_differences(by_layer))):
        raise FieldsDifferError(problems=problems)
    merged = [_merge_field(key, by_layer, all_null) for key in keys]
    renamed = tuple(rename_attributes([field.name for field in merged]))
    fields = [field.with_name(new) for field, (_, new) in zip(merged, renamed, strict=True)]
    return Merged(
        schema=pa.schema([*fields, pa.field("geom", pa.binary())]),
        renamed=renamed,
        files=tuple(layer.name for layer in layers),
    )


def promote(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The narrowest type that holds the values of both; null when there is none without a guess.

    Integer with float is float64, whose integers are checked on the data. A boolean is no number, a day has no zone.
    """
    if one == other:
        return one
    for rule in (_numbers, _times, _lists):
        found = rule(one, other) or rule(other, one)
        if found is not None:
            return found
    return None


def _keyed(fields: Iterable[pa.Field]) -> Iterator[tuple[_Key, pa.Field]]:
    seen: Counter[str] = Counter()
    for field in fields:
        yield (field.name, seen[field.name]), field
        seen[field.name] += 1


def _differences(by_layer: list[tuple[VectorLayer, dict[_Key, pa.Field]]]) -> Iterator[Problem]:
    first, expected = by_layer[0]
    for layer, fields in by_layer[1:]:
        missing = [name for name, _ in expected if (name, 0) not in fields]
        extra = [name for name, _ in fields if (name, 0) not in expected]
        if missing:
            yield Problem(path=layer.name, message=f"lacks {listed(missing)}")
        if extra:
            yield Problem(path=layer.name, message=f"has {listed(extra)}, which {first.name} lacks")


def _merge_field(
    key: _Key,
    by_layer: list[tuple[VectorLayer, dict[_Key, pa.Field]]],
    all_null: Callable[[VectorLayer, str], bool],
) -> pa.Field:
    found = [(layer, fields[key]) for layer, fields in by_layer if key in fields]
    if len({field.type for _, field in found}) > 1:
        found = [
            pair for pair in found if not (_is_text(pair[1].type) and all_null(pair[0], key[0]))
        ] or found[:1]
    merged = reduce(_promote_or_none, [field.type for _, field in found[1:]], found[0][1].type)
    if merged is None:
        raise FieldTypesDifferError(
            field=key[0], types=[(layer.name, str(field.type)) for layer, field in found]
        )
    metadata = found[0][1].metadata
    same = all(field.metadata == metadata for _, field in found)
    return pa.field(key[0], merged, metadata=metadata if same else None)


def _promote_or_none(one: pa.DataType | None, other: pa.DataType) -> pa.DataType | None:
    return None if one is None else promote(one, other)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_null(kind))


def _numbers(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (pa.types.is_integer(one) or pa.types.is_floating(one)):
        return None
    if pa.types.is_floating(other):
        return pa.float64()
    if pa.types.is_signed_integer(one) and pa.types.is_signed_integer(other):
        return max(one, other, key=lambda kind: kind.bit_width)
    return None


def _times(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pa.types.is_date(one) and pa.types.is_timestamp(other) and other.tz is None:
        return other
    if pa.types.is_time(one) and pa.types.is_time(other):
        return max(one, other, key=lambda kind: _UNITS.index(kind.unit))
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other) and (one.tz is None) == (other.tz is None):
        unit = max(one.unit, other.unit, key=_UNITS.index)
        return pa.timestamp(unit, tz=one.tz if one.tz == other.tz else "UTC")
    return None


def _lists(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (pa.types.is_list(one) and pa.types.is_list(other)):
        return None
    values = promote(one.value_type, other.value_type)
    return pa.list_(values) if values is not None else None


def _exact(array: pa.Array, target: pa.DataType, *, field: str, name: str) -> pa.Array:
    if array.type == target:
        return array
    if array.null_count == len(array):
        return pa.nulls(len(array), target)
    if pa.types.is_floating(target):
        _check_integers(array, target, field=field, name=name)
    try:
        return array.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueInexactError(name=name, field=field, found=str(array.type), target=str(target)) from error


def _check_integers(array: pa.Array, target: pa.DataType, *, field: str, name: str) -> None:
    if not pa.types.is_integer(array.type):
        return
    spread = pc.min_max(array).as_py()
    if spread["min"] < -_FLOAT_EXACT or spread["max"] > _FLOAT_EXACT:
        raise ValueInexactError(name=name, field=field, found=str(array.type), target=str(target))
