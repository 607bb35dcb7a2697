"""XML read once from end to end before GDAL does: well formed, no DOCTYPE. GDAL keeps what it read before a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat

from geoingest.errors.source import SourceUnreadableError, XmlDoctypeError

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path


def check_xml(path: Path, *, name: str, count: Counter[str] | None = None) -> None:
    """Nothing, when the file is well-formed XML without a DOCTYPE; adds each element's local name to `count`.

    Raises: XmlDoctypeError, SourceUnreadableError.
    """
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise XmlDoctypeError(name=name)

    def start(element: str, _: dict[str, str]) -> None:
        if count is not None:
            count[element.rpartition(":")[2]] += 1

    parser.StartDoctypeDeclHandler = refuse
    if count is not None:
        parser.StartElementHandler = start
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        reason = f"the XML is damaged or cut off at line {error.lineno} ({expat.ErrorString(error.code)})"
        raise SourceUnreadableError(name=name, reason=reason) from error
