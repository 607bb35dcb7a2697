"""XML read once from end to end before GDAL does: well formed, no DOCTYPE, and numbers where coordinates stand.

GDAL keeps what it read before a fault, and reads a coordinate that is no number as 0 or NaN.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from xml.parsers import expat

from geoingest.errors.source import SourceUnreadableError, XmlDoctypeError

_COORDINATES = {"coordinates", "coord", "pos", "posList"}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NUMBERS = re.compile(rf"\s*(?:{_NUMBER}(?:(?:\s*,\s*|\s+){_NUMBER})*)?\s*", re.ASCII)


def check_xml(path: Path, *, name: str) -> Counter[str]:
    """How often each element (by its local name) stands in the file.

    Raises: XmlDoctypeError, SourceUnreadableError.
    """
    pass_ = _Pass(name)
    try:
        with path.open("rb") as file:
            pass_.parser.ParseFile(file)
    except expat.ExpatError as error:
        reason = f"the XML is damaged or cut off at line {error.lineno} ({expat.ErrorString(error.code)})"
        raise SourceUnreadableError(name=name, reason=reason) from error
    return pass_.count


class _Pass:
    """One pass of expat over one file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._text: list[str] = []
        self.count: Counter[str] = Counter()
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def _refuse(self, *_: object) -> None:
        raise XmlDoctypeError(name=self._name)

    def _start(self, element: str, _: dict[str, str]) -> None:
        word = element.rpartition(":")[2]
        self.count[word] += 1
        if word in _COORDINATES:
            self._text = []
            self.parser.CharacterDataHandler = self._text.append

    def _end(self, element: str) -> None:
        if element.rpartition(":")[2] not in _COORDINATES:
            return
        self.parser.CharacterDataHandler = None
        if not _NUMBERS.fullmatch("".join(self._text)):
            line = self.parser.CurrentLineNumber
            raise SourceUnreadableError(
                name=self._name, reason=f"the coordinates that end at line {line} are no numbers"
            )
