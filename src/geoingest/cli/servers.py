"""The three functions as server processes on free loopback ports: started, restarted when they die, ended together.

The sockets are this process's own and outlive the servers, so a port never changes hands and a caller of a server that
is just being started again waits instead of failing.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import TracebackType
from typing import IO, Self

from geoingest.cli.local import STAGES
from geoingest.errors import PermanentError

# A server that dies at once is started again this much later, so that a broken one does not spin.
RESTART_PAUSE_S = 1.0
# Callers that may wait in a socket's queue.
BACKLOG = 256


class ServerNotInstalledError(PermanentError):
    """The functions cannot be served: the packages that do it are not part of this installation."""

    code = "SERVER_NOT_INSTALLED"

    def __init__(self) -> None:
        super().__init__(
            "this installation has no HTTP server for the functions",
            hint="install the extra `server`: pip install 'geoingest[local,server]'",
        )


class FunctionServer:
    """One function's process and its socket; `say` gets each line that it logs."""

    def __init__(self, name: str, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.name = name
        self._environment = dict(environment)
        self._say = say
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(BACKLOG)
        self._started = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._relaying: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where the function listens, for as long as this object lives."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def pid(self) -> int | None:
        """The process that serves now; null between two."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; it listens already."""
        descriptor = self._socket.fileno()
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603  our own module
            [sys.executable, "-m", "geoingest.cli.function", self.name, str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=self._environment,
            pass_fds=(descriptor,),
            # Ctrl-C in a terminal goes to this process alone, which then ends the servers.
            start_new_session=True,
        )
        if self._process.stderr is not None:
            self._relaying = threading.Thread(target=self._relay, args=(self._process.stderr,), daemon=True)
            self._relaying.start()

    def restart_if_dead(self) -> int | None:
        """The exit code of a process that ended and was started again; null when it serves."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        if time.monotonic() - self._started < RESTART_PAUSE_S:
            return None
        self._close_pipes()
        self.start()
        return code

    def stop(self) -> None:
        """End the process and close the socket."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._close_pipes()
        if self._relaying is not None:
            self._relaying.join()
        self._socket.close()

    def _relay(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                self._say(f"{self.name:<9} | {line.rstrip()}")

    def _close_pipes(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


class Servers:
    """All functions; as a context they run inside it and are gone after it. Raises: ServerNotInstalledError."""

    def __init__(self, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        if find_spec("flask") is None:
            raise ServerNotInstalledError
        self._all = [FunctionServer(name, environment, say) for name in STAGES]

    @property
    def addresses(self) -> dict[str, str]:
        """Stage name to URL."""
        return {server.name: f"http://127.0.0.1:{server.port}/" for server in self._all}

    @property
    def pids(self) -> dict[str, int | None]:
        """Stage name to the process that serves it now."""
        return {server.name: server.pid for server in self._all}

    def restart_dead(self) -> dict[str, int]:
        """Stage name to exit code of each server that had died and was started again."""
        codes = {server.name: server.restart_if_dead() for server in self._all}
        return {name: code for name, code in codes.items() if code is not None}

    def __enter__(self) -> Self:
        for server in self._all:
            server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._all:
            server.stop()
