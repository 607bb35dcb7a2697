"""JSON read piece by piece: the features of a collection of any size, in the memory of a few of them.

Owns strict UTF-8 and JSON syntax up to the last byte of the file; what the objects mean is not judged here.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, BinaryIO

from geoingest.errors.source import SourceUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
# Text that is this far behind the end of the buffer and still no JSON will not become JSON with more text.
_PATIENCE_CHARS = 64 << 20
_BLANK = re.compile(r"[ \t\r\n]*")
_BLANK_OR_RS = re.compile(r"[ \t\r\n\x1e]*")

Members = dict[str, object]


def read_collection(path: Path, *, name: str) -> Iterator[tuple[object | None, Members | None]]:
    """(feature, null) for each item of the top-level `features`, at last (null, the object's other members).

    Raises: SourceUnreadableError: no JSON, no UTF-8, or text after the object.
    """
    with path.open("rb") as file:
        text = _Text(file, name)
        members: Members = {}
        text.expect("{")
        while text.peek() != "}":
            key = text.value()
            text.expect(":")
            if key == "features" and text.peek() == "[":
                for feature in _items(text):
                    yield feature, None
                members["features"] = None
            else:
                members[str(key)] = text.value()
            if text.peek() != "}":
                text.expect(",")
        text.expect("}")
        if text.peek():
            raise text.broken("text after the end of the JSON object")
        yield None, members


def read_sequence(path: Path, *, name: str) -> Iterator[tuple[object, bool]]:
    """(object, whether it stands on one line) for each record of a newline- or RS-delimited sequence.

    Raises: SourceUnreadableError.
    """
    with path.open("rb") as file:
        text = _Text(file, name, blank=_BLANK_OR_RS)
        while text.peek():
            record = text.value()
            yield record, "\n" not in text.last


def _items(text: _Text) -> Iterator[object]:
    text.expect("[")
    while text.peek() != "]":
        yield text.value()
        if text.peek() != "]":
            text.expect(",")
    text.expect("]")


class _Text:
    """The file's text with a reading position; holds no more than the value being read and one chunk."""

    def __init__(self, file: BinaryIO, name: str, *, blank: re.Pattern[str] = _BLANK) -> None:
        self._file = file
        self._name = name
        self._blank = blank
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder(parse_constant=self._refuse)
        self._text, self._at, self._ended = "", 0, False
        self.last = ""

    def broken(self, reason: str) -> SourceUnreadableError:
        return SourceUnreadableError(name=self._name, reason=reason)

    def _refuse(self, constant: str) -> object:
        raise self.broken(f"is no JSON: it holds {constant}, which is no number of JSON")

    def peek(self) -> str:
        """The next character that is not blank, or nothing at the end."""
        while True:
            self._at = self._skip()
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._fill(_CHUNK_BYTES)

    def expect(self, mark: str) -> None:
        found = self.peek()
        if found != mark:
            raise self.broken(
                f"is no JSON: expected '{mark}', found {found!r}" if found else "the JSON is cut off"
            )
        self._at += 1

    def value(self) -> object:
        """The next value; `last` is its text."""
        self.peek()
        size = _CHUNK_BYTES
        while True:
            found = self._decode()
            if found is not None:
                value, end = found
                self.last = self._text[self._at : end]
                self._at = end
                return value
            self._fill(size)
            size *= 2

    def _decode(self) -> tuple[object, int] | None:
        """(value, its end), or null when the buffer ends too early to tell."""
        try:
            value, end = self._json.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            if self._ended:
                raise self.broken(f"the JSON is damaged or cut off ({error.msg.lower()})") from error
            if len(self._text) - error.pos > _PATIENCE_CHARS:
                raise self.broken(f"is no JSON ({error.msg.lower()})") from error
            return None
        except (RecursionError, ValueError) as error:
            raise self.broken(
                "the JSON is nested too deeply or holds a number of thousands of digits"
            ) from error
        # A number that touches the end of the buffer may go on in the next chunk.
        return (value, end) if end < len(self._text) or self._ended else None

    def _skip(self) -> int:
        match = self._blank.match(self._text, self._at)
        return match.end() if match else self._at

    def _fill(self, size_bytes: int) -> None:
        data = self._file.read(size_bytes)
        self._ended = not data
        try:
            more = self._utf8.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise self.broken("is not UTF-8, as GeoJSON must be") from error
        self._text = self._text[self._at :] + more
        self._at = 0
