"""How a document becomes a model: strict types, unknown keys refused, one spelling per document.

A model is written once, with snake_case attributes. A manifest spells its keys that way; a Kubernetes
resource spells them in camelCase. A key in the other spelling is an unknown key.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, WithJsonSchema
from pydantic.alias_generators import to_camel

from geoingest.naming import has_control_characters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Spelling = Literal["snake", "camel"]
SPELL: Final[Mapping[Spelling, Callable[[str], str]]] = {"snake": str, "camel": to_camel}
SCALAR_CHARACTERS: Final = 4096
_INT64: Final = range(-(2**63), 2**63)
# The type of the error a model raises for what does not fit together between its fields.
INCONSISTENT: Final = "inconsistent"

_CRS = re.compile(r"([A-Za-z][A-Za-z0-9_]{1,31}):([A-Za-z0-9_.-]{1,31})")


class DoorModel(BaseModel):
    """What comes from outside: nothing is coerced, nothing unknown passes, nothing changes afterwards."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        defer_build=True,
        allow_inf_nan=False,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("text without NUL")
    return value


def _one_line(value: str) -> str:
    if has_control_characters(value):
        raise ValueError("text without control characters")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("a non-empty string")
    return value


def crs_code(value: str) -> str:
    """AUTHORITY:CODE with the authority in upper case. Raises: ValueError."""
    match = _CRS.fullmatch(value)
    if match is None:
        raise ValueError("AUTHORITY:CODE such as EPSG:4326")
    # Authorities are upper-case by convention; codes such as OGC:CRS84h are case sensitive.
    return f"{match[1].upper()}:{match[2]}"


def _scalar(value: object) -> str | int | float | bool:
    # By hand: a union of types would turn an integer beyond 64 bits into a float.
    if isinstance(value, str):
        if len(value) > SCALAR_CHARACTERS:
            raise ValueError(f"at most {SCALAR_CHARACTERS} characters")
        return _without_nul(value)
    if isinstance(value, bool) or (isinstance(value, int) and value in _INT64):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError("a string, an integer of 64 bits, a finite number or a boolean")


# A validator's ValueError says what was expected; the door puts what was found in front of it.
Text = Annotated[str, AfterValidator(_without_nul)]
Line = Annotated[str, AfterValidator(_one_line)]
Name = Annotated[str, AfterValidator(_one_line), AfterValidator(_not_blank)]
CrsCode = Annotated[str, AfterValidator(crs_code)]
Scalar = Annotated[
    str | int | float | bool,
    PlainValidator(_scalar),
    WithJsonSchema({"anyOf": [{"type": kind} for kind in ("string", "integer", "number", "boolean")]}),
]
