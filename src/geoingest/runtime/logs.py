"""Logs as one JSON object a line on stderr, each bound to the delivery it belongs to. Secrets never reach a line.

Fields: time, level, logger, message; run_id, dataset_id, stage, event_id inside a delivery; what a call adds as
`extra={"fields": {...}}`; and, for a defect, its stack. Every text passes the redaction, whoever logged it.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

from geoingest.runtime.redaction import known_secrets, redact
from geoingest.settings import SettingInvalidError

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What every line of one delivery carries, and what none of them may show."""

    fields: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()


NOTHING = Bound()
_bound: ContextVar[Bound] = ContextVar("bound", default=NOTHING)


@contextmanager
def bound(*, secret: str, **fields: str) -> Iterator[None]:
    """Inside, every line carries `fields`, and none shows `secret`."""
    kept = _bound.set(Bound(fields=fields, secrets=frozenset((secret,)) - {""}))
    try:
        yield
    finally:
        _bound.reset(kept)


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON without `secrets`."""

    def __init__(self, secrets: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its line break."""
        here = _bound.get()
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {**here.fields, **getattr(record, "fields", {})}
        if record.exc_info is not None:
            entry["stack"] = "".join(traceback.format_exception(*record.exc_info))
        secrets = self._secrets | here.secrets
        hidden = {
            name: redact(value, secrets) if isinstance(value, str) else value for name, value in entry.items()
        }
        return json.dumps(hidden, ensure_ascii=False, default=lambda value: redact(str(value), secrets))


def configure_logs(environment: Mapping[str, str] = os.environ) -> None:
    """All loggers of this process write JSON lines to stderr from GEOINGEST_LOG_LEVEL (INFO) on; warnings too.

    Raises: SettingInvalidError.
    """
    level = environment.get("GEOINGEST_LOG_LEVEL", "INFO")
    if level not in LEVELS:
        raise SettingInvalidError(name="GEOINGEST_LOG_LEVEL", got=level, expected=" or ".join(LEVELS))
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(known_secrets(environment)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
