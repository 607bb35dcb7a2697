"""Why an input is refused before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoingest.errors import PermanentError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable


class ManifestUnreadableError(PermanentError):
    """The document is neither JSON nor YAML, or too large to be read safely."""

    code = "MANIFEST_UNREADABLE"

    def __init__(self, reason: str, *, line: int | None = None, column: int | None = None) -> None:
        """Args: reason: our own words; line, column: where it stands, both from 1."""
        where = "" if line is None else f" at line {line}, column {column}"
        super().__init__(
            f"the manifest cannot be read: {reason}{where}",
            hint="Write one JSON or YAML document in UTF-8, and check it with `geoingest validate FILE`.",
        )


class ManifestInvalidError(PermanentError):
    """The document is readable but breaks the contract; `problems` lists what is wrong, up to 1000."""

    code = "MANIFEST_INVALID"

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = tuple(problems)
        count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        unlisted = len(found) - _LISTED
        rest = (Problem(path="", message=f"{unlisted} more problems are not listed"),) if unlisted > 0 else ()
        super().__init__(
            f"the manifest has {count}: {'; '.join(map(str, found[:_SHOWN]))}{more}",
            hint="Mend every listed path, and check the result with `geoingest validate FILE`.",
            problems=found[:_LISTED] + rest,
        )


class LaneDisabledError(PermanentError):
    """The manifest is valid, but the platform has switched off the lane it needs."""

    code = "LANE_DISABLED"

    def __init__(self, *, lane: str, enabled: Iterable[str]) -> None:
        lanes = ", ".join(sorted(enabled)) or "none"
        super().__init__(
            f"the {lane} lane is switched off here; enabled: {lanes}",
            hint=f"Ask the platform team to enable the {lane} lane, or send the data through an enabled one.",
        )


# A message is one line for people; the list is in `problems`.
_SHOWN = 5
# A hostile document has tens of thousands, and the ledger keeps the list in one record.
_LISTED = 1000
