"""Why one delivery of an event is refused, whatever run it belongs to."""

from __future__ import annotations

from geoingest.errors import PermanentError


class EventMalformedError(PermanentError):
    """What arrived is no event of ours: an attribute or the data is missing, wrong or contradictory."""

    code = "EVENT_MALFORMED"

    def __init__(self, reason: str) -> None:
        """Args: reason: our own words, naming the attribute."""
        super().__init__(
            f"the event is malformed: {reason}",
            hint="Only the operator and the functions send events; let the operator send this one again.",
        )


class EventTooLargeError(PermanentError):
    """The event is larger than every broker guarantees to carry."""

    code = "EVENT_TOO_LARGE"

    def __init__(self, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"the event has {size_bytes} bytes, expected at most {limit_bytes}",
            hint="Events carry references and small summaries; keep data in the object store.",
        )
