"""gunicorn's log through the root logger, so that its lines are JSON and lose their secrets as all others do."""

from __future__ import annotations

from gunicorn.config import Config
from gunicorn.glogging import Logger


class RootLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Without a handler of its own."""

    def setup(self, cfg: Config) -> None:
        """Set up as gunicorn does, then leave the lines to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
