"""Text to plain JSON values: one JSON or YAML document, with everything ambiguous or dangerous refused.

Refuses duplicate keys, and documents that are too large, too deep or grow when their aliases are followed.
YAML is read by `strict_yaml`, so that it means what JSON would mean.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from geoingest.errors import Problem
from geoingest.errors.manifest import ManifestUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterable

Location: TypeAlias = tuple[str | int, ...]

MAX_BYTES: Final = 1024 * 1024
# A manifest of 1000 files with every field is near 10,000 values, five deep.
MAX_VALUES: Final = 20_000
MAX_DEPTH: Final = 32

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class PlainDocument:
    """A document of JSON values only; what was not one is null in `value` and told in `problems`."""

    value: Any
    problems: tuple[Problem, ...]


def read_document(document: str | bytes | Mapping[str, Any]) -> PlainDocument:
    """The plain values of a text in JSON or YAML, or of an already parsed mapping.

    Raises: ManifestUnreadableError: no JSON or YAML, a repeated key, or a document beyond the limits.
    """
    value = document if isinstance(document, Mapping) else _parse(_decode(document))
    copy = _PlainCopy()
    plain = copy.of(value, ())
    return PlainDocument(plain, tuple(copy.problems))


def shown(value: object) -> str:
    """`value` as a message shows it: short, printable, never a whole structure."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 128:  # noqa: PLR2004 - longer is noise, and slow to print
        return "a very long integer"
    text = repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def one_of(known: Iterable[str], *, instead_of: str) -> str:
    """The words that were expected, and the one that was probably meant."""
    import difflib

    words = list(known)
    meant = difflib.get_close_matches(instead_of, words, n=1)
    return f"one of {', '.join(words)}{f'; did you mean {meant[0]!r}?' if meant else ''}"


def path_of(location: Location) -> str:
    """A location as people write it: `files[1].type`; keys that are no words are quoted."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            path += f".{part}" if path else part
        else:
            path += f"[{shown(part)}]"
    return path


def _decode(document: str | bytes) -> str:
    if len(document) > MAX_BYTES:
        raise ManifestUnreadableError(f"it is larger than {MAX_BYTES} bytes")
    if isinstance(document, str):
        return document.removeprefix("\ufeff")
    try:
        return document.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestUnreadableError("it is not UTF-8 text") from None


def _parse(text: str) -> object:
    if not text.strip():
        raise ManifestUnreadableError("it is empty")
    try:
        return json.loads(text, object_pairs_hook=_mapping_of)
    except json.JSONDecodeError as error:
        no_json = ManifestUnreadableError("no valid JSON", line=error.lineno, column=error.colno)
    except ValueError:
        # Python refuses to read integers of thousands of digits.
        raise ManifestUnreadableError("a number has too many digits") from None
    except RecursionError:
        raise _too_deep() from None
    return _parse_yaml(text, no_json)


def _parse_yaml(text: str, no_json: ManifestUnreadableError) -> object:
    from geoingest.model.strict_yaml import read_yaml

    try:
        return read_yaml(text, max_nodes=2 * MAX_VALUES)
    except ManifestUnreadableError:
        # A text that opens as JSON was meant as JSON: the complaint about YAML would mislead.
        if text.lstrip().startswith(("{", "[")):
            raise no_json from None
        raise
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> ManifestUnreadableError:
    return ManifestUnreadableError(f"it is nested more than {MAX_DEPTH} levels deep")


def _mapping_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ManifestUnreadableError(f"the key {shown(key)} is given twice")
        mapping[key] = value
    return mapping


class _PlainCopy:
    """A copy of a document that holds JSON values only, and what had to be left out."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._values = 0

    def of(self, value: object, at: Location) -> Any:  # noqa: ANN401 - JSON is what it is
        self._values += 1
        # Aliases share values, so a small text may stand for an endless document.
        if self._values > MAX_VALUES:
            raise ManifestUnreadableError("it holds too many values")
        if len(at) > MAX_DEPTH:
            raise _too_deep()
        if isinstance(value, Mapping):
            return self._of_mapping(value, at)
        if isinstance(value, list | tuple):
            return [self.of(item, (*at, index)) for index, item in enumerate(value)]
        expected = _expected_instead(value)
        if expected is None:
            return value
        self.problems.append(Problem(path=path_of(at), message=f"got {shown(value)}, expected {expected}"))
        return None

    def _of_mapping(self, mapping: Mapping[object, object], at: Location) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, value in mapping.items():
            expected = _expected_instead(key) if isinstance(key, str) else "a string"
            if expected is None:
                copy[str(key)] = self.of(value, (*at, str(key)))
            else:
                path = path_of((*at, key if isinstance(key, str) else shown(key)))
                self.problems.append(
                    Problem(path=path, message=f"got the key {shown(key)}, expected {expected}")
                )
        return copy


def _expected_instead(value: object) -> str | None:
    """What a document should hold instead of `value`; null when it is a JSON value that can be stored."""
    if isinstance(value, str):
        bad = "\0" in value or _SURROGATE.search(value) is not None
        return "text without NUL and lone surrogates" if bad else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "a finite number"
    return None if value is None or isinstance(value, bool | int) else "a JSON value"
