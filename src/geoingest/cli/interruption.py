"""Ctrl-C and SIGTERM: the first asks the run to stop where it is safe, the second one stops at once."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from geoingest.cli.local import Watcher

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Listens for interruptions inside its `with` block, in the main thread.

    An exception out of a signal handler could strike anywhere, inside a library's import as well: so the
    handler only remembers, and the run's own progress reports are where it ends.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Return unless somebody asked to stop. Raises: KeyboardInterrupt."""
        if self._asked:
            raise KeyboardInterrupt

    def checked(self, watch: Watcher) -> Watcher:
        """`watch`, ending the run at its next report when somebody asked to stop."""

        def watch_and_check(stage: str, done: int, total: int | None) -> None:
            self.check()
            watch(stage, done, total)

        return watch_and_check

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
