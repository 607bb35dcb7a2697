"""Text to plain JSON values: one JSON or YAML document, with everything ambiguous or dangerous refused.

YAML means what JSON would mean: scalars follow the JSON-like rules of YAML 1.2, so that `no`, `2024-01-01`,
`12:30` and `007` stay strings. Refuses duplicate keys, tags beyond JSON, merge keys, and documents that are
too large, too deep or grow when their aliases are followed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import yaml

from geoingest.errors import Problem
from geoingest.errors.manifest import ManifestUnreadable

Location: TypeAlias = tuple[str | int, ...]

MAX_BYTES: Final = 1024 * 1024
# A manifest of 1000 files with every field is near 10,000 values, five deep.
MAX_VALUES: Final = 50_000
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

    Raises: ManifestUnreadable: no JSON or YAML, a repeated key, or a document beyond the limits.
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
        raise ManifestUnreadable(f"it is larger than {MAX_BYTES} bytes")
    if isinstance(document, str):
        return document.removeprefix("\ufeff")
    try:
        return document.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestUnreadable("it is not UTF-8 text") from None


def _parse(text: str) -> object:
    if not text.strip():
        raise ManifestUnreadable("it is empty")
    try:
        return _parse_json(text)
    except json.JSONDecodeError as error:
        unreadable = ManifestUnreadable("no valid JSON", line=error.lineno, column=error.colno)
    try:
        return _parse_yaml(text)
    except yaml.YAMLError as error:
        # A text that opens as JSON was meant as JSON: the YAML parser's complaint would mislead.
        if text.lstrip().startswith(("{", "[")):
            raise unreadable from None
        mark = getattr(error, "problem_mark", None)
        where = {} if mark is None else {"line": mark.line + 1, "column": mark.column + 1}
        raise ManifestUnreadable("no valid YAML", **where) from None


def _parse_json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_mapping_of)
    except RecursionError:
        raise ManifestUnreadable(f"it is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            raise
        # Python refuses to read integers of thousands of digits.
        raise ManifestUnreadable("it holds a number with too many digits") from None


def _mapping_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        seen: set[str] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ManifestUnreadable(f"the key {shown(again)} is given twice")
    return mapping


def _parse_yaml(text: str) -> object:
    loader = _JsonYaml(text)
    try:
        return loader.get_single_data()
    except RecursionError:
        raise ManifestUnreadable(f"it is nested more than {MAX_DEPTH} levels deep") from None
    finally:
        loader.dispose()


class _JsonYaml(yaml.SafeLoader):
    """The safe loader reduced to what JSON can say."""

    # Empty here: SafeLoader's own tables know timestamps, `yes`, octal and base 60.
    yaml_implicit_resolvers = {}  # noqa: RUF012 - filled by the class methods below
    yaml_constructors = {}  # noqa: RUF012

    def read_mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                self.refuse(key_node, f"the key {shown(key)} is no string")
            if key in mapping:
                self.refuse(key_node, f"the key {shown(key)} is given twice")
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping

    def read_list(self, node: yaml.SequenceNode) -> list[Any]:
        return [self.construct_object(item, deep=True) for item in node.value]

    def read_scalar(self, node: yaml.ScalarNode) -> str | float | bool | None:
        pattern, convert = _SCALARS[node.tag]
        if pattern.fullmatch(node.value) is None:
            self.refuse(node, f"{shown(node.value)} is no {node.tag.rpartition(':')[2]}")
        try:
            return convert(node.value)
        except ValueError:
            # Python refuses to read integers of thousands of digits.
            self.refuse(node, "a number has too many digits")

    def refuse(self, node: yaml.Node, reason: str = "a YAML tag beyond what JSON can say") -> NoReturn:
        raise ManifestUnreadable(reason, line=node.start_mark.line + 1, column=node.start_mark.column + 1)


_TAG = "tag:yaml.org,2002:"
# In the order they are tried. Leading zeros make a string, as in the tabular lane: 007 is not 7.
_SCALARS: Final[Mapping[str, tuple[re.Pattern[str], Callable[[str], str | float | bool | None]]]] = {
    f"{_TAG}null": (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    f"{_TAG}bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    f"{_TAG}int": (re.compile(r"[-+]?(0|[1-9][0-9]*)"), int),
    f"{_TAG}float": (
        re.compile(
            r"[-+]?((0|[1-9][0-9]*)?\.[0-9]+|(0|[1-9][0-9]*)\.?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
        ),
        lambda text: float(re.sub(r"\.(?=[iInN])", "", text)),
    ),
    f"{_TAG}str": (re.compile(r".*", re.DOTALL), str),
}
for _name, (_pattern, _) in _SCALARS.items():
    _JsonYaml.add_constructor(_name, _JsonYaml.read_scalar)
    if _name != f"{_TAG}str":
        # The resolver matches a prefix only: the end must be asked for.
        _JsonYaml.add_implicit_resolver(_name, re.compile(rf"(?:{_pattern.pattern})\Z"), None)
_JsonYaml.add_constructor(f"{_TAG}map", _JsonYaml.read_mapping)
_JsonYaml.add_constructor(f"{_TAG}seq", _JsonYaml.read_list)
_JsonYaml.add_constructor(None, _JsonYaml.refuse)


class _PlainCopy:
    """A copy of a document that holds JSON values only, and what had to be left out."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._values = 0

    def of(self, value: object, at: Location) -> Any:  # noqa: ANN401 - JSON is what it is
        self._values += 1
        # Aliases share values, so a small text may stand for an endless document.
        if self._values > MAX_VALUES:
            raise ManifestUnreadable(f"it holds more than {MAX_VALUES} values")
        if len(at) > MAX_DEPTH:
            raise ManifestUnreadable(f"it is nested more than {MAX_DEPTH} levels deep")
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
