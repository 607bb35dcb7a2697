"""What the values of one GeoJSON property are over the whole file, and so which type holds them all exactly."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

_INT64_LAST = 2**63 - 1
# Beyond it a float64 does not hold every integer.
_FLOAT_EXACT = 2**53

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = r"(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.(\d{1,6}))?"
_TIME = re.compile(_CLOCK, re.ASCII)
_DATETIME = re.compile(rf"\d{{4}}-\d\d-\d\dT{_CLOCK}(Z|[+-]\d\d:\d\d)?", re.ASCII)
_MILLISECOND_DIGITS = 3
# JSON can write them, and GDAL cuts the text there or puts something else.
_UNFIT = re.compile("[\0\ud800-\udfff]")


# The kinds of values that a property has in some feature: a set of bits in plain integers, as every value of the file
# passes here and `enum.IntFlag` takes ten times as long.
Seen = int
BOOLEAN = 0x1
INTEGER = 0x2
BIG = 0x4
WIDE = 0x8
REAL = 0x10
TEXT = 0x20
NESTED = 0x40
WIDE_NESTED = 0x80
DATE = 0x100
TIME = 0x200
LOCAL = 0x400
ZONED = 0x800
FINE = 0x1000
UNFIT = 0x2000

NUMBERS = INTEGER | BIG | WIDE | REAL
TEMPORAL = DATE | TIME | LOCAL | ZONED | FINE
TEXTS = TEMPORAL | TEXT


def kind_of(value: object) -> Seen:
    """What one value is; nothing for null."""
    return _KINDS[type(value)](value)


def as_text(seen: Seen) -> bool:
    """Whether GDAL's type for such a property would change values, so that it must be read as text."""
    boolean_number = seen & BOOLEAN and seen & NUMBERS
    inexact = seen & BIG and seen & REAL
    return bool(boolean_number or inexact or seen & (WIDE | WIDE_NESTED))


def own_type(seen: Seen) -> pa.DataType | None:
    """The type of a property that is given as text; null leaves the type to GDAL."""
    if as_text(seen) or (seen & TEXTS and seen & ~TEXTS):
        return pa.string()
    if not seen & TEMPORAL:
        return None
    unit = "us" if seen & FINE else "ms"
    kinds = {
        DATE: pa.date32(),
        TIME: pa.time64("us") if seen & FINE else pa.time32("ms"),
        LOCAL: pa.timestamp(unit),
        ZONED: pa.timestamp(unit, tz="UTC"),
    }
    return kinds.get(seen & ~FINE, pa.string())


def written(value: object) -> object:
    """A value as the text that stands for it; null and text stay themselves."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _integer(value: int) -> Seen:
    if -_FLOAT_EXACT <= value <= _FLOAT_EXACT:
        return INTEGER
    return BIG if -_INT64_LAST - 1 <= value <= _INT64_LAST else WIDE


def _text(value: str) -> Seen:
    if _UNFIT.search(value):
        return UNFIT
    if not value or not value[0].isdigit():
        return TEXT
    try:
        return _temporal(value)
    except ValueError:
        return TEXT


def _temporal(value: str) -> Seen:
    """Raises ValueError for what looks like a day or an hour and is none, as 30 February."""
    if _DATE.fullmatch(value):
        date.fromisoformat(value)
        return DATE
    if clock := _TIME.fullmatch(value):
        time.fromisoformat(value.split(".", 1)[0])
        return TIME | _fineness(clock[1])
    if moment := _DATETIME.fullmatch(value):
        datetime.fromisoformat(value[:19] + (moment[2] or ""))
        return (ZONED if moment[2] else LOCAL) | _fineness(moment[1])
    return TEXT


def _fineness(digits: str | None) -> Seen:
    return FINE if digits and digits[_MILLISECOND_DIGITS:].strip("0") else 0


def _nested(value: dict[str, object] | list[object]) -> Seen:
    inside = 0
    for item in value.values() if isinstance(value, dict) else value:
        inside |= kind_of(item)
    return NESTED | inside & UNFIT | (WIDE_NESTED if as_text(inside) else 0)


_KINDS: dict[type, Callable[..., Seen]] = {
    type(None): lambda _: 0,
    bool: lambda _: BOOLEAN,
    int: _integer,
    float: lambda _: REAL,
    str: _text,
    dict: _nested,
    list: _nested,
}
