from __future__ import annotations

import socket

import pytest


def test_a_unit_test_that_opens_a_socket_fails():
    with socket.socket() as opened, pytest.raises(AssertionError, match="used the network"):
        opened.bind(("127.0.0.1", 0))
