"""A stage as an HTTP function: an event in (binary or structured), one event or an empty answer out.

Registered as an `http` function and not as a `cloud_event` one: functions-framework drops what the latter
returns, and a broker takes the reply from the response.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

from geoingest.errors.delivery import EventMalformedError, EventTooLargeError
from geoingest.events import from_headers, to_body, to_headers
from geoingest.runtime.delivery import deliver
from geoingest.runtime.platform import Platform, open_platform
from geoingest.runtime.stage import Stage
from geoingest.settings import read_settings

if TYPE_CHECKING:
    from flask import Request

Answer = tuple[bytes, int, dict[str, str]]
MALFORMED = 400


def serve_stage(stage: Stage) -> Callable[[Request], Answer]:
    """The request handler of `stage`; stores are opened with the first event, not at import."""

    def handle(request: Request) -> Answer:
        if request.method in ("GET", "HEAD"):
            return b"", 200, {}
        try:
            event = from_headers(dict(request.headers), request.get_data())
        except (EventMalformedError, EventTooLargeError) as error:
            return str(error).encode(), MALFORMED, {"content-type": "text/plain; charset=utf-8"}
        reply = deliver(event, stage, _platform())
        if reply.event is None:
            return b"", reply.status, {}
        return to_body(reply.event), reply.status, to_headers(reply.event)

    return handle


_opened = ExitStack()
_lock = threading.Lock()


def _platform() -> Platform:
    with _lock:
        return _open()


@cache
def _open() -> Platform:
    return _opened.enter_context(open_platform(read_settings(os.environ)))
