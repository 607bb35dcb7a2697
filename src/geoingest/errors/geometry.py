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


class GeometryInvalidError(PermanentError):
    """A geometry breaks the rules of simple features, and the recipe says to reject such data."""

    code: ClassVar[str] = "GEOMETRY_INVALID"

    def __init__(self, *, source: str, row: int, reason: str, count: int) -> None:
        more = f", and {count - 1} more near it" if count > 1 else ""
        super().__init__(
            f"{source}: row {row} is not valid: {reason}{more}",
            hint="mend the data, or let the recipe repair it: invalid_geometry: repair",
        )


class GeometryUnrepairableError(PermanentError):
    """A geometry breaks the rules of simple features, and no repair makes it valid."""

    code: ClassVar[str] = "GEOMETRY_UNREPAIRABLE"

    def __init__(self, *, source: str, row: int, reason: str) -> None:
        super().__init__(
            f"{source}: row {row} is not valid and cannot be repaired: {reason}",
            hint="mend or delete that row where the data was made",
        )


class CrsMixedError(PermanentError):
    """Several files in different CRSs, and the recipe says to keep the CRS."""

    code: ClassVar[str] = "CRS_MIXED"

    def __init__(self, *, first: str, other: str) -> None:
        super().__init__(
            f"{first} and {other} are in different CRSs, and the recipe keeps the CRS",
            hint="give the recipe a target_crs, or ingest the files as two datasets",
        )


class CoordinatesUnprojectableError(PermanentError):
    """A coordinate has no image in the target CRS."""

    code: ClassVar[str] = "COORDS_UNPROJECTABLE"

    def __init__(self, *, source: str, row: int) -> None:
        super().__init__(
            f"{source}: row {row} has coordinates that have no place in the target CRS",
            hint="check the source's CRS, mend that row, or choose a target_crs that covers the data",
        )
