"""YAML that says what JSON can say: the scalars of YAML 1.2 rather than 1.1, no tags, no repeated keys.

So `no`, `2024-01-01`, `12:30` and `007` are strings. Imported only for texts that are not JSON: the
parser costs as much to load as a small manifest costs to check.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import yaml

from geoingest.errors.manifest import ManifestUnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Scalar: TypeAlias = str | int | float | bool | None


def read_yaml(text: str, *, max_nodes: int) -> object:
    """The one document in `text`. Aliases give the same object again, however often.

    Args: max_nodes: keys and values after which reading stops: the parser reads some 30,000 a second.

    Raises: ManifestUnreadableError, with line and column; RecursionError: nested beyond Python's stack.
    """
    try:
        return _StrictLoader(text, max_nodes).get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        if mark is None:
            raise ManifestUnreadableError("no valid YAML") from None
        raise ManifestUnreadableError("no valid YAML", line=mark.line + 1, column=mark.column + 1) from None


class _StrictLoader(yaml.SafeLoader):
    # Empty here, filled below: SafeLoader's own tables know timestamps, `yes`, octal and base 60.
    yaml_implicit_resolvers = {}  # noqa: RUF012
    yaml_constructors = {}  # noqa: RUF012

    def __init__(self, text: str, max_nodes: int) -> None:
        super().__init__(text)
        self._nodes_left = max_nodes

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._nodes_left -= 1
        if self._nodes_left < 0:
            raise ManifestUnreadableError(
                "it holds too many values", line=self.line + 1, column=self.column + 1
            )
        return super().compose_node(parent, index)

    def read_mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                self.refuse(key_node, "a key is no string")
            if key in mapping:
                self.refuse(key_node, f"the key {key[:80]!r} is given twice")
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping

    def read_list(self, node: yaml.SequenceNode) -> list[Any]:
        return [self.construct_object(item, deep=True) for item in node.value]

    def read_scalar(self, node: yaml.ScalarNode) -> Scalar:
        pattern, convert = _SCALARS[node.tag]
        if pattern.fullmatch(node.value) is None:
            self.refuse(node, f"{node.value[:80]!r} is no {node.tag.removeprefix(_TAG)}")
        try:
            return convert(node.value)
        except ValueError:
            # Python refuses to read integers of thousands of digits.
            self.refuse(node, "a number has too many digits")

    def refuse(self, node: yaml.Node, reason: str = "a YAML tag beyond what JSON can say") -> NoReturn:
        raise ManifestUnreadableError(
            reason, line=node.start_mark.line + 1, column=node.start_mark.column + 1
        )


_TAG: Final = "tag:yaml.org,2002:"
# In the order they are tried. A leading zero makes a string: 007 is not 7.
_DIGITS = r"(0|[1-9][0-9]*)"
_FLOAT = rf"[-+]?({_DIGITS}?\.[0-9]+|{_DIGITS}\.?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_SCALARS: Final[Mapping[str, tuple[re.Pattern[str], Callable[[str], Scalar]]]] = {
    f"{_TAG}null": (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    f"{_TAG}bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    f"{_TAG}int": (re.compile(rf"[-+]?{_DIGITS}"), int),
    f"{_TAG}float": (re.compile(_FLOAT), lambda text: float(re.sub(r"\.(?=[iInN])", "", text))),
    f"{_TAG}str": (re.compile(r".*", re.DOTALL), str),
}
for _name, (_pattern, _) in _SCALARS.items():
    _StrictLoader.add_constructor(_name, _StrictLoader.read_scalar)
    if _name != f"{_TAG}str":
        # The resolver looks at the beginning only: the end must be asked for.
        _StrictLoader.add_implicit_resolver(_name, re.compile(rf"(?:{_pattern.pattern})\Z"), None)
_StrictLoader.add_constructor(f"{_TAG}map", _StrictLoader.read_mapping)
_StrictLoader.add_constructor(f"{_TAG}seq", _StrictLoader.read_list)
_StrictLoader.add_constructor(None, _StrictLoader.refuse)
