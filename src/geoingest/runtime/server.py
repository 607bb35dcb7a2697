"""A function as a server: `python -m geoingest.runtime.server load` runs gunicorn on functions-framework's app.

functions-framework's own server stops a stage after 30 seconds of grace and cannot be told otherwise. Here: one worker,
never timed out, whose threads are the concurrency and one for probes; on SIGTERM it takes nothing new and works as long
as a stage may. No access log: nothing that a caller sends is written.

Settings: GEOINGEST_BIND (`host:port`), else PORT (of all interfaces), else 127.0.0.1:8080; GEOINGEST_CONCURRENCY (4);
GEOINGEST_STAGE_TIMEOUT_S (600, the longest that a request may take anywhere); GEOINGEST_LOG_LEVEL.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from geoingest.errors import GeoingestError
from geoingest.runtime.faults import arm
from geoingest.runtime.logs import configure_logs
from geoingest.runtime.tracing import configure_tracing
from geoingest.settings import SettingInvalidError

# Of a request's body; an event has at most 48 KiB, the guarantee of brokers ends here.
MAX_BODY_BYTES = 64 * 1024
# Of a larger body, thrown away unkept before it is refused.
MAX_DRAINED_BYTES = 256 * 2**20
# The name of the function in main.py.
TARGET = "handle"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a function is served; `bind` is `host:port`."""

    bind: str
    concurrency: int
    stage_timeout_s: int


def read_serving(environment: Mapping[str, str]) -> Serving:
    """How the environment wants it. Raises: SettingInvalidError."""
    port = _count(environment, "PORT", 8080)
    standard = f"0.0.0.0:{port}" if environment.get("PORT") else f"127.0.0.1:{port}"
    return Serving(
        bind=environment.get("GEOINGEST_BIND") or standard,
        concurrency=_count(environment, "GEOINGEST_CONCURRENCY", 4),
        stage_timeout_s=_count(environment, "GEOINGEST_STAGE_TIMEOUT_S", 600),
    )


class FunctionServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with one worker that serves the function whose main.py is `source`."""

    def __init__(self, name: str, source: Path, serving: Serving) -> None:
        self._name = name
        self._source = source
        self._serving = serving
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        chosen = {
            "bind": self._serving.bind,
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._serving.concurrency + 1,
            "timeout": 0,
            "graceful_timeout": self._serving.stage_timeout_s,
            "accesslog": None,
            # The lines go to the root logger's handler, as everybody's.
            "logger_class": "geoingest.runtime.gunicorn_log.RootLogger",
            # It would write a socket below the home folder; nobody asks it anything.
            "control_socket_disable": True,
            "proc_name": f"geoingest-{self._name}",
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Wsgi:
        """The application, made in the worker: threads and connections do not survive a fork."""
        from functions_framework import create_app

        configure_tracing(os.environ, service=f"geoingest-{self._name}")
        app: Wsgi = create_app(TARGET, str(self._source), "http")  # type: ignore[no-untyped-call]
        return bounded(app)


def bounded(app: Wsgi) -> Wsgi:
    """`app` behind a check that keeps a body of up to MAX_BODY_BYTES and answers 413 to a larger one."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            # A caller that still sends does not hear an answer: it would see a broken line, and come again.
            for _ in range(MAX_DRAINED_BYTES // MAX_BODY_BYTES):
                if not environ["wsgi.input"].read(MAX_BODY_BYTES):
                    break
            start_response("413 Content Too Large", [("content-type", "text/plain; charset=utf-8")])
            return [f"the body has more than {MAX_BODY_BYTES} bytes\n".encode()]
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        return app(environ, start_response)

    return serve


def find_function(name: str) -> Path:
    """The main.py of the function: beside its package in a checkout, in the working folder of an image.

    Raises: SettingInvalidError: there is no such function here.
    """
    package = find_spec(f"geoingest_{name}") if name.isidentifier() else None
    folders = [Path(place).parent for place in (package.submodule_search_locations or ())] if package else []
    for folder in (*folders, Path.cwd()):
        if package is not None and (folder / "main.py").is_file():
            return folder / "main.py"
    raise SettingInvalidError(
        name="the function", got=name, expected="an installed function with its main.py"
    )


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise SettingInvalidError(name=name, got=text, expected="a whole number above 0")
    return int(text)


def main(arguments: list[str]) -> None:
    """Serve the function that the one argument names until SIGTERM."""
    if len(arguments) != 1:
        sys.exit("usage: python -m geoingest.runtime.server load|transform|export")
    try:
        arm(os.environ)
        configure_logs(os.environ)
        server = FunctionServer(arguments[0], find_function(arguments[0]), read_serving(os.environ))
    except GeoingestError as error:
        sys.exit(f"{error.code}: {error}")
    server.run()


if __name__ == "__main__":
    main(sys.argv[1:])
