"""Fault points for tests: the process kills itself where it is told to, as a node going down would.

`GEOINGEST_FAULT=export.put.before` dies the first time that point is reached, `load.part.after:2` the second time.
Refused unless `GEOINGEST_FAULTS=allowed` stands beside it, so that no setting alone can hurt a platform.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from geoingest.settings import SettingInvalidError

# Every marked point of every stage, in the order in which a stage reaches them.
POINTS: Mapping[str, tuple[str, ...]] = {
    "load": (
        *("claim.before", "claim.after"),
        *("fetch.before", "fetch.after", "part.before", "part.after"),
        *("reply.before", "reply.after"),
    ),
    "transform": (
        *("claim.before", "claim.after"),
        *("apply.before", "apply.after"),
        *("reply.before", "reply.after"),
    ),
    "export": (
        *("claim.before", "claim.after"),
        *("data.before", "data.after", "version.before", "version.after"),
        *("repaired.before", "repaired.after", "put.before", "put.after"),
        *("reply.before", "commit.before", "commit.after", "reply.after"),
    ),
}

# The armed point and how often it may still be reached; null in every process but a test's.
_armed: str | None = None
_left = 0


def arm(environment: Mapping[str, str]) -> None:
    """Take the point to die at from GEOINGEST_FAULT. Raises: SettingInvalidError: unknown, or not allowed here."""
    # Globals are the point of this module: one comparison is all it costs where nothing is armed.
    global _armed, _left
    text = environment.get("GEOINGEST_FAULT")
    if not text:
        return
    if environment.get("GEOINGEST_FAULTS") != "allowed":
        raise SettingInvalidError(name="GEOINGEST_FAULT", got=text, expected="nothing outside of tests")
    point, _, count = text.partition(":")
    stage, _, moment = point.partition(".")
    if moment not in POINTS.get(stage, ()) or not (count or "1").isdecimal() or int(count or 1) < 1:
        raise SettingInvalidError(name="GEOINGEST_FAULT", got=text, expected="a known point, or point:number")
    _armed, _left = point, int(count or 1)


def reached(point: str) -> None:
    """Nothing, or this process's end when `point` is the armed one."""
    if point == _armed:
        _die()


def _die() -> None:
    global _left  # noqa: PLW0603
    _left -= 1
    if _left == 0:
        os.write(2, f"fault {_armed}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
