"""Names of columns: cleaned headers of tables, and attribute names of vector layers that any engine can hold.

Pure. Every input name gives exactly one output name, in order; outputs never collide, also not without case, and are
at most 63 bytes (the longest identifier PostgreSQL keeps). What a name means is not judged here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_NAME_BYTES = 63
RESERVED_ATTRIBUTES = ("geom", "bbox", "ogc_fid", "fid")

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_OUTSIDE = re.compile(r"[^a-z0-9]+")

# Letters that Unicode does not decompose, so that NFKD alone would drop them.
_LETTERS = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "\u0131": "i", "ħ": "h",
        "ŋ": "ng", "ĸ": "k", "ŧ": "t", "ə": "e", "ƒ": "f", "ŀ": "l", "ɓ": "b", "ɗ": "d",
    }
)  # fmt: skip


def normalise_headers(headers: Sequence[str], *, reserved: Iterable[str] = ()) -> list[tuple[str, str]]:
    """(original, clean) pairs in order: `Größe (m²)` gives `grosse_m2`, repeats get `_1`, `_2`.

    Args: reserved: names that no header may get, compared without case.
    """
    used = {name.lower() for name in reserved}
    return [(header, _claim(_clean(header, index), used)) for index, header in enumerate(headers)]


def rename_attributes(
    names: Sequence[str], *, reserved: Iterable[str] = RESERVED_ATTRIBUTES
) -> list[tuple[str, str]]:
    """(original, new) pairs in order; plain identifiers keep their case and spelling.

    A name is cleaned like a header when it is no plain identifier, is reserved, or was used before; the last two are
    compared without case: `Name, name, geom` gives `Name, name_1, geom_1`.
    """
    used = {name.lower() for name in reserved}
    pairs = []
    for index, name in enumerate(names):
        if _PLAIN.fullmatch(name) and name.lower() not in used:
            used.add(name.lower())
            pairs.append((name, name))
        else:
            pairs.append((name, _claim(_clean(name, index), used)))
    return pairs


def _clean(header: str, index: int) -> str:
    name = _OUTSIDE.sub("_", _ascii(header.strip().lower())).strip("_")
    if not name:
        return f"col_{index}"
    return _cut(f"_{name}" if name[0].isdigit() else name, MAX_NAME_BYTES)


def _ascii(text: str) -> str:
    """`text` with accents removed and compatibility forms (², ﬁ) spelled out; other scripts stay as they are."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    # Once more in lower case: NFKD writes some signs in capitals (™ as TM).
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).lower()


def _cut(name: str, size: int) -> str:
    """`name` within `size` bytes, ending at a word when that keeps at least half of it."""
    if len(name) <= size:
        return name
    cut = name[:size]
    if name[size] != "_":
        end = cut.rfind("_")
        cut = cut[:end] if end >= size // 2 else cut
    return cut.rstrip("_")


def _claim(name: str, used: set[str]) -> str:
    """`name`, or with the first free `_1`, `_2`, shortened to fit; taken from now on."""
    candidate, count = name, 0
    while candidate in used:
        count += 1
        suffix = f"_{count}"
        candidate = _cut(name, MAX_NAME_BYTES - len(suffix)) + suffix
    used.add(candidate)
    return candidate
