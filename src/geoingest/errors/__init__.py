"""The exception tree: everything that may reach a user has a stable code, a message and a remedy.

The two branches decide what a redelivery is worth, nothing else does:

- `PermanentError`: the same input always fails. The run fails, nobody retries.
- `TransientError`: the world may recover. The stage is released and tried again.

Each concrete error is a class with a `code` in a module of this package; its constructor takes typed
keyword arguments and builds what, where, got, expected (the message) and how to mend (the hint).
Vendor exceptions are translated inside the adapter that meets them. Secrets never enter a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input: where it stands, what was found, what was expected."""

    path: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """The problem as JSON shows it."""
        return {"path": self.path, "message": self.message}

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class GeoingestError(Exception):
    """Anything geoingest tells a user: `code` is stable, `message` says what and where, `hint` how to mend it."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = problems

    def as_dict(self, *, stage: str | None = None) -> dict[str, Any]:
        """The error as the ledger and `--json` show it; `stage` null means before any stage."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "stage": stage,
            "problems": [problem.as_dict() for problem in self.problems],
        }


class PermanentError(GeoingestError):
    """The same input always fails."""


class TransientError(GeoingestError):
    """The world may recover: the same call may succeed later."""
