"""The ledger's time: MongoDB keeps milliseconds, so nothing finer is ever written, whatever the adapter."""

from __future__ import annotations

from datetime import UTC, datetime


def ledger_now() -> datetime:
    """The present time in UTC in whole milliseconds: what is read back equals what was written."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
