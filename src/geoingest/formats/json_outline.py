"""The outline of a JSON object from the first part of its bytes: its top-level members, not their contents.

Owns telling the JSON dialects apart without parsing hundreds of megabytes. It validates nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_FEATURE_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Top-level members as far as they were seen: text for a string, the opening bracket for a container.

    `complete` says that the object ended; `followed_by_object` that another one starts after it;
    `first_feature_type` is the `type` of the first object in a top-level `features` array.
    """

    members: dict[str, str]
    complete: bool = False
    followed_by_object: bool = False
    first_feature_type: str | None = None


def outline(head: bytes) -> Outline:
    """The outline of the object that `head` starts with; `head` may end anywhere inside it."""
    members: dict[str, str] = {}
    feature_type = None
    depth, key, top, previous = 0, "", "", b""
    features = 0
    for match in _TOKEN.finditer(head):
        token = match[0]
        if depth == 1 and previous == b":":
            top = key
            members.setdefault(key, _word(token))
        if (
            depth == _FEATURE_DEPTH
            and previous == b":"
            and top == "features"
            and key == "type"
            and features == 1
        ):
            feature_type = feature_type or _word(token)
        if token in {b"{", b"["}:
            depth += 1
            features += depth == _FEATURE_DEPTH
        elif token in {b"}", b"]"}:
            depth -= 1
            if depth == 0:
                rest = head[match.end() :].lstrip(b" \t\r\n\x1e")
                return Outline(
                    members=members,
                    complete=True,
                    followed_by_object=rest.startswith(b"{"),
                    first_feature_type=feature_type,
                )
        elif token.startswith(b'"') and previous in {b"{", b","}:
            key = _word(token)
        previous = token
    return Outline(members=members, first_feature_type=feature_type)


def _word(token: bytes) -> str:
    if not token.startswith(b'"'):
        return token.decode("utf-8", errors="replace")
    try:
        return str(json.loads(token))
    except ValueError:
        return ""
