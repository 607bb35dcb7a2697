"""Unit tests open no socket: whoever tries fails, whatever library did it."""

from __future__ import annotations

import sys

import pytest

_watching = False


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
        raise AssertionError(f"a unit test used the network: {event} {arguments[1:]}")


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def _no_sockets():
    global _watching  # noqa: PLW0603  an audit hook cannot be taken away again
    _watching = True
    yield
    _watching = False
