"""A stage as an HTTP function: an event in (binary or structured), one event or an empty answer out.

Registered as an `http` function and not as a `cloud_event` one: functions-framework drops what the latter
returns, and a broker takes the reply from the response. A broker tries 404, 408, 409, 429 and 5xx again and nothing
else, so what no repetition mends is answered with 400, 405 or 413. No answer tells of the inside.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

from geoingest.errors import GeoingestError
from geoingest.errors.delivery import EventMalformedError, EventTooLargeError
from geoingest.events import from_headers, to_body, to_headers
from geoingest.runtime.metrics import exposition
from geoingest.runtime.observed import deliver_observed
from geoingest.runtime.platform import Platform, open_platform
from geoingest.runtime.stage import Stage
from geoingest.settings import read_settings
from geoingest.stores.ledger.runs import get_run

if TYPE_CHECKING:
    from flask import Request

log = logging.getLogger(__name__)

Answer = tuple[bytes, int, dict[str, str]]
OK, MALFORMED, NOT_FOUND, NOT_ALLOWED, TOO_LARGE, DEFECT, UNAVAILABLE = 200, 400, 404, 405, 413, 500, 503


def serve_stage(stage: Stage) -> Callable[[Request], Answer]:
    """The request handler of `stage`; stores are opened with the first event, not at import.

    POST takes an event. GET and HEAD: `/healthz` and `/` tell that the process answers, `/readyz` that its stores do,
    `/metrics` is for Prometheus.
    """

    def handle(request: Request) -> Answer:
        try:
            if request.method in ("GET", "HEAD"):
                return _probe(request.path)
            if request.method != "POST":
                return b"", NOT_ALLOWED, {"allow": "GET, HEAD, POST"}
            return _take(request, stage)
        except GeoingestError as error:
            # A setting or a store that can be mended; the event is not at fault and must come again.
            log.warning("%s cannot work: %s", stage.name, error)
            return _told(error.code, UNAVAILABLE)
        except Exception:  # the boundary: the framework would answer with the exception's text
            log.exception("defect in %s outside of any run", stage.name)
            return _told("INTERNAL", DEFECT)

    return handle


def _take(request: Request, stage: Stage) -> Answer:
    try:
        event = from_headers(dict(request.headers), request.get_data())
    except EventTooLargeError as error:
        return _told(str(error), TOO_LARGE)
    except EventMalformedError as error:
        return _told(str(error), MALFORMED)
    reply = deliver_observed(event, stage, _platform())
    if reply.event is None:
        return b"", reply.status, {}
    return to_body(reply.event), reply.status, to_headers(reply.event)


def _probe(path: str) -> Answer:
    if path in ("/", "/healthz"):
        return b"", OK, {}
    if path == "/readyz":
        # No run has this id; only whether the ledger answers is asked.
        get_run(_platform().documents, "ready")
        return b"", OK, {}
    if path == "/metrics":
        text, content_type = exposition()
        return text, OK, {"content-type": content_type}
    return b"", NOT_FOUND, {}


def _told(text: str, status: int) -> Answer:
    return text.encode(), status, {"content-type": "text/plain; charset=utf-8"}


_opened = ExitStack()
_lock = threading.Lock()


def _platform() -> Platform:
    with _lock:
        return _open()


@cache
def _open() -> Platform:
    return _opened.enter_context(open_platform(read_settings(os.environ)))
