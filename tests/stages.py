"""Stages for tests of delivery: each lane is one way for a stage to end."""

from __future__ import annotations

import threading

from geoingest.errors import PermanentError, TransientError
from geoingest.runtime.stage import Stage, StageResult

calls: list[str] = []
started = threading.Event()
go_on = threading.Event()


class BrokenInputError(PermanentError):
    """A test's broken input."""

    code = "TEST_BROKEN"


class WorldDownError(TransientError):
    """A test's outage."""

    code = "TEST_DOWN"


def succeed(task):
    calls.append(task.run.run_id)
    (task.work_dir / "file").write_text("x")
    return StageResult(facts={"rows": 3}, summary={"rows": 3}, warnings=("mind",))


def refuse(task):
    raise BrokenInputError("a.gpkg: broken", hint="mend it")


def stumble(task):
    calls.append(task.run.run_id)
    if len(calls) < 3:
        raise WorldDownError("the store is away")
    return StageResult(facts={})


def crash(task):
    raise ZeroDivisionError("secret=hunter2")


def wait(task):
    started.set()
    go_on.wait(10)
    task.on_rows(1, None)
    return StageResult(facts={})


def stage(function: str, name: str = "load") -> Stage:
    return Stage(name=name, lanes={"vector": f"stages:{function}"})
