"""What a geometry's bytes can do wrong."""

from __future__ import annotations

from typing import ClassVar

from geoingest.errors import PermanentError


class GeometryUnreadableError(PermanentError):
    """A geometry is not well-formed WKB: cut short, of an unknown type, or nested beyond reason."""

    code: ClassVar[str] = "GEOMETRY_UNREADABLE"

    def __init__(self, *, row: int, reason: str) -> None:
        """Args: row: from 0 within the column that was read; reason: what was met, and where in the row."""
        super().__init__(
            f"row {row} holds no readable geometry: {reason}",
            hint="Write the file again from its source, or mend or delete that row where it was made.",
        )
        self.row = row
        self.reason = reason
