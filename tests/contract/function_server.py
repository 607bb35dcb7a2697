"""A function as a process of its own, driven over HTTP as a broker drives it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from cloudevents.http import CloudEvent, from_http

from e2e.command import environment
from geoingest import events

STAGES = ("load", "transform", "export")
# What a broker tries again.
AGAIN = {404, 408, 409, 429, *range(500, 600)}
Message = tuple[dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> CloudEvent:
        return from_http(self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Server:
    """A function's process, its address, and the file its log goes to."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def send(self, method: str, headers: Mapping[str, str], body: bytes, path: str = "/") -> Answer:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body=body, headers=dict(headers))
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())

    def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        return self.send("POST", headers, body)

    def get(self, path: str) -> Answer:
        return self.send("GET", {}, b"", path)

    def deliver(self, message: Message, *, patience_s: float = 30) -> Answer:
        """The answer that ends the delivery, as a broker goes on until there is one."""
        until = time.monotonic() + patience_s
        while True:
            answer = self.post(*message)
            if answer.status not in AGAIN or time.monotonic() > until:
                return answer
            time.sleep(0.1)

    def kill(self) -> None:
        """As a node goes down: every process of it, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log, each line of which must be one JSON object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(name: str, log: Path, variables: Mapping[str, str]) -> Iterator[Server]:
    """The function `name` with these settings, until the block ends."""
    port = free_port()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "geoingest.runtime.server", name],
            # functions-framework warns of what it is built from.
            env=environment(GEOINGEST_BIND=f"127.0.0.1:{port}", PYTHONWARNINGS="ignore", **variables),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    server = Server(port, process, log)
    try:
        wait_until_alive(server)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def wait_until_alive(server: Server) -> None:
    for _ in range(1200):
        assert server.process.poll() is None, server.log.read_text()
        try:
            assert server.get("/healthz").status == 200
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the server never listened: {server.log.read_text()}")


def message_of(event: events.Event) -> Message:
    return events.to_headers(event), events.to_body(event)


def forwarded(answer: Answer) -> Message:
    """What a broker keeps of a reply: the event, nothing of the transport."""
    kept = {
        name: value
        for name, value in answer.headers.items()
        if name.startswith("ce-") or name == "content-type"
    }
    return kept, answer.body
