"""A stage whose work is done by one thread of the process, whichever thread took the delivery.

Load needs it: pyogrio tells of GDAL's warnings only in the thread that imported it, so in any other thread a reader's
losses would pass unnoticed; and GDAL is held to one driver at a time. Other threads claim, answer and wait meanwhile.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from geoingest.runtime.stage import LaneFunction, Stage, StageResult, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class OneThreadStage(Stage):
    """A stage and the thread that does its work; make it with `in_one_thread`."""

    thread: ThreadPoolExecutor

    def lane_function(self, lane: str) -> LaneFunction:
        """The lane's function, imported and run by the one thread. It may wait there for another run's turn."""

        def work(task: Task) -> StageResult:
            return Stage.lane_function(self, lane)(task)

        def hand_over(task: Task) -> StageResult:
            # The thread's log lines belong to this delivery.
            return self.thread.submit(copy_context().run, work, task).result()

        return hand_over


def in_one_thread(stage: Stage) -> Stage:
    """`stage`, its work done by a thread of its own."""
    thread = ThreadPoolExecutor(1, thread_name_prefix=stage.name)
    return OneThreadStage(name=stage.name, lanes=stage.lanes, thread=thread)
