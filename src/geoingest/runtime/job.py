"""A stage as a Job: `python -m geoingest.runtime.job load` does one delivery, for work beyond a request's limits.

Knative's JobSink puts the event, structured, into the file that K_EVENT_PATH names. A job has no reply, so the next
event is posted to K_SINK. The claim decides, not the Job: the same event in two Jobs, or in one again, is done once.

Exit code: 0 the next event was taken, or there is none; 1 try again; 2 no repetition helps (settings, a broken event).
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from geoingest.errors import GeoingestError, PermanentError
from geoingest.events import Event, from_json, to_body, to_headers
from geoingest.runtime.broker import RETRIED
from geoingest.runtime.delivery import BUSY, DEFECT, UNAVAILABLE, Reply
from geoingest.runtime.faults import arm
from geoingest.runtime.logs import configure_logs
from geoingest.runtime.observed import deliver_observed
from geoingest.runtime.platform import Platform, open_platform
from geoingest.runtime.stage import Stage
from geoingest.runtime.tracing import configure_tracing, flush_spans
from geoingest.settings import SettingInvalidError, read_settings

log = logging.getLogger(__name__)

DONE, AGAIN, NEVER = 0, 1, 2
TAKEN = range(200, 300)
# Seconds for the sink to answer; an in-memory broker answers when the whole chain behind it is done.
SINK_TIMEOUT_S = 660.0
SINK_TRIES = 8
LONGEST_PAUSE_S = 30.0


def run_job(stage: Stage, environment: Mapping[str, str]) -> int:
    """Deliver the event in the file to `stage` and post what follows; the exit code. Raises: GeoingestError."""
    sink = _sink(environment)
    event = _read_event(environment)
    with open_platform(read_settings(environment)) as platform:
        reply = deliver_patiently(event, stage, platform)
    if reply.event is not None:
        return DONE if post_event(reply.event, sink) else AGAIN
    return AGAIN if reply.status in (BUSY, DEFECT, UNAVAILABLE) else DONE


def deliver_patiently(event: Event, stage: Stage, platform: Platform) -> Reply:
    """As `deliver`; a stage in other hands is waited for, since a killed predecessor's hands open with the lease."""
    until = time.monotonic() + 2 * platform.settings.lease_s
    for pause_s in _pauses(platform.settings.lease_s / 8):
        reply = deliver_observed(event, stage, platform)
        if reply.status not in (BUSY, UNAVAILABLE) or time.monotonic() > until:
            return reply
        time.sleep(pause_s)
    raise AssertionError  # the pauses never end


def post_event(event: Event, sink: str, *, tries: int = SINK_TRIES) -> bool:
    """Whether the sink took the event, in the binary form; what a broker's client tries again is tried again."""
    for number, pause_s in zip(range(1, tries + 1), _pauses(0.5), strict=False):
        status = _post(event, sink)
        if status in TAKEN:
            return True
        log.warning("the sink answered %s to try %d of %s", status or "nothing", number, event.type)
        if status is not None and status not in RETRIED:
            return False
        if number < tries:
            time.sleep(pause_s)
    return False


def _post(event: Event, sink: str) -> int | None:
    """The status that the sink answers; null when it does not."""
    address = urlsplit(sink)
    connect = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = connect(address.netloc.rpartition("@")[2], timeout=SINK_TIMEOUT_S)
    try:
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection.request("POST", target, body=to_body(event), headers=to_headers(event))
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException) as error:
        log.warning("the sink does not answer: %s", type(error).__name__)
        return None
    finally:
        connection.close()
    return response.status


def _pauses(first_s: float) -> Iterator[float]:
    pause_s = first_s
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _sink(environment: Mapping[str, str]) -> str:
    sink = environment.get("K_SINK", "")
    try:
        address = urlsplit(sink)
        usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        usable = False
    if not usable:
        # Not shown: it may hold credentials.
        raise SettingInvalidError(name="K_SINK", got="(not shown)", expected="an http or https address")
    return sink


def _read_event(environment: Mapping[str, str]) -> Event:
    """Raises: SettingInvalidError, EventMalformedError, EventTooLargeError."""
    path = environment.get("K_EVENT_PATH", "")
    try:
        document = Path(path).read_bytes()
    except OSError:
        raise SettingInvalidError(name="K_EVENT_PATH", got=path, expected="a file with the event") from None
    return from_json(document)


def _stage(name: str) -> Stage:
    if not name.isidentifier() or find_spec(f"geoingest_{name}") is None:
        raise SettingInvalidError(name="the function", got=name, expected="an installed function")
    stage: Stage = import_module(f"geoingest_{name}").STAGE
    return stage


def main(arguments: list[str]) -> int:
    """Do the one delivery that the environment names, for the stage that the one argument names; the exit code."""
    if len(arguments) != 1:
        sys.exit("usage: python -m geoingest.runtime.job load|transform|export")
    try:
        arm(os.environ)
        configure_logs(os.environ)
        configure_tracing(os.environ, service=f"geoingest-{arguments[0]}")
        return run_job(_stage(arguments[0]), os.environ)
    except GeoingestError as error:
        log.error("%s: %s", error.code, error)  # noqa: TRY400  its own words say it all
        return NEVER if isinstance(error, PermanentError) else AGAIN
    except Exception:  # the boundary: Python's own traceback would pass by the redaction
        log.exception("defect in the job of %s", arguments[0])
        return AGAIN
    finally:
        flush_spans()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
