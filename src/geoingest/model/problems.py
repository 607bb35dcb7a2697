"""Pydantic's findings in our words: where, what was found, what was expected. Its own text never shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

from geoingest.errors import Problem
from geoingest.model.document import one_of, path_of, shown
from geoingest.model.door import INCONSISTENT, SPELL
from geoingest.routing import INTENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from geoingest.model.door import Spelling

_EXPECTED: Final = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "literal_error": "{expected}",
    "string_too_short": "a non-empty string",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "value_error": "{error}",
}
_REQUIRED: Final = {
    "intent": f"one of {', '.join(INTENTS)}",
    "type": "'raster', 'vector' or 'tabular'",
    "tolerance": "a number",
    "metadata": "a mapping",
    "spec": "a mapping",
}


def problems_of(error: ValidationError, model: type[BaseModel], spelling: Spelling) -> Iterator[Problem]:
    """What is wrong with single fields, in the order of the model's fields.

    Args: model: what was validated; spelling: of the document's keys.
    """
    for found in error.errors(include_url=False):
        # The manifest's own word on what does not fit together has no paths: the caller asks again.
        if found["type"] != INCONSISTENT:
            location = tuple(part for part in found["loc"] if part != "[key]")
            yield Problem(path=path_of(location), message=_message(found, model, spelling))


def _message(found: ErrorDetails, model: type[BaseModel], spelling: Spelling) -> str:
    kind, location = found["type"], found["loc"]
    if kind == "extra_forbidden":
        known = _keys_at(model, location[:-1], spelling)
        return f"got an unknown key, expected {one_of(known, instead_of=str(location[-1]))}"
    if kind == "missing":
        return f"got nothing, expected {_REQUIRED.get(str(location[-1]), 'a string')}"
    return f"got {_found(found)}, expected {_expected(found)}"


def _found(found: ErrorDetails) -> str:
    value = found["input"]
    if found["type"] in {"too_long", "string_too_long"}:
        return f"{len(value)} {'characters' if isinstance(value, str) else 'entries'}"
    return shown(value)


def _expected(found: ErrorDetails) -> str:
    context: dict[str, Any] = found.get("ctx", {})
    if found["type"] in {"too_long", "string_too_long"}:
        return f"at most {context['max_length']}"
    return _EXPECTED.get(found["type"], "a valid value").format(**context)


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...], spelling: Spelling) -> list[str]:
    """The keys a document may use at a location that is a model."""
    spell = SPELL[spelling]
    for part in location:
        if isinstance(part, str):
            model = _model_in(next(f.annotation for n, f in model.model_fields.items() if spell(n) == part))
    return [spell(name) for name in model.model_fields]


def _model_in(annotation: object) -> type[BaseModel]:
    """The model that a field's annotation holds, bare, optional or in a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(_model_in(part) for part in get_args(annotation) if part not in (type(None), Ellipsis))
