"""What the values of one GeoJSON property are over the whole file, and so which type holds them all exactly."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, time
from enum import IntFlag, auto
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


class Seen(IntFlag):
    """The kinds of values that a property has in some feature."""

    BOOLEAN = auto()
    INTEGER = auto()
    BIG = auto()
    WIDE = auto()
    REAL = auto()
    TEXT = auto()
    NESTED = auto()
    WIDE_NESTED = auto()
    DATE = auto()
    TIME = auto()
    LOCAL = auto()
    ZONED = auto()
    FINE = auto()


_NUMBERS = Seen.INTEGER | Seen.BIG | Seen.WIDE | Seen.REAL
_TEMPORAL = Seen.DATE | Seen.TIME | Seen.LOCAL | Seen.ZONED | Seen.FINE
TEXTS = _TEMPORAL | Seen.TEXT
NOTHING = Seen(0)


def kind_of(value: object) -> Seen:
    """What one value is; nothing for null."""
    return _KINDS[type(value)](value)


def as_text(seen: Seen) -> bool:
    """Whether GDAL's type for such a property would change values, so that it must be read as text."""
    boolean_number = Seen.BOOLEAN in seen and bool(seen & _NUMBERS)
    inexact = Seen.BIG in seen and Seen.REAL in seen
    return boolean_number or inexact or bool(seen & (Seen.WIDE | Seen.WIDE_NESTED))


def own_type(seen: Seen) -> pa.DataType | None:
    """The type of a property that is given as text; null leaves the type to GDAL."""
    if as_text(seen) or (seen & TEXTS and seen & ~TEXTS):
        return pa.string()
    if not seen & _TEMPORAL:
        return None
    unit = "us" if Seen.FINE in seen else "ms"
    kinds = {
        Seen.DATE: pa.date32(),
        Seen.TIME: pa.time64("us") if Seen.FINE in seen else pa.time32("ms"),
        Seen.LOCAL: pa.timestamp(unit),
        Seen.ZONED: pa.timestamp(unit, tz="UTC"),
    }
    return kinds.get(seen & ~Seen.FINE, pa.string())


def written(value: object) -> object:
    """A value as the text that stands for it; null and text stay themselves."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _integer(value: int) -> Seen:
    if -_FLOAT_EXACT <= value <= _FLOAT_EXACT:
        return Seen.INTEGER
    return Seen.BIG if -_INT64_LAST - 1 <= value <= _INT64_LAST else Seen.WIDE


def _text(value: str) -> Seen:
    if not value or not value[0].isdigit():
        return Seen.TEXT
    try:
        return _temporal(value)
    except ValueError:
        return Seen.TEXT


def _temporal(value: str) -> Seen:
    """Raises ValueError for what looks like a day or an hour and is none, as 30 February."""
    if _DATE.fullmatch(value):
        date.fromisoformat(value)
        return Seen.DATE
    if clock := _TIME.fullmatch(value):
        time.fromisoformat(value.split(".", 1)[0])
        return Seen.TIME | _fineness(clock[1])
    if moment := _DATETIME.fullmatch(value):
        datetime.fromisoformat(value[:19] + (moment[2] or ""))
        return (Seen.ZONED if moment[2] else Seen.LOCAL) | _fineness(moment[1])
    return Seen.TEXT


def _fineness(digits: str | None) -> Seen:
    return Seen.FINE if digits and digits[_MILLISECOND_DIGITS:].strip("0") else NOTHING


def _nested(value: dict[str, object] | list[object]) -> Seen:
    inside = NOTHING
    for item in value.values() if isinstance(value, dict) else value:
        inside |= kind_of(item)
    return Seen.NESTED | (Seen.WIDE_NESTED if as_text(inside) else NOTHING)


_KINDS: dict[type, Callable[..., Seen]] = {
    type(None): lambda _: NOTHING,
    bool: lambda _: Seen.BOOLEAN,
    int: _integer,
    float: lambda _: Seen.REAL,
    str: _text,
    dict: _nested,
    list: _nested,
}
