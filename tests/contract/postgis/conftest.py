"""One PostGIS server for the session; where there cannot be one, these tests are skipped and say what is missing."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from postgres import MissingError, running_server


@pytest.fixture(scope="session")
def server():
    try:
        running = running_server()
        with running as server:
            yield server
    except MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def superuser(server):
    with psycopg.connect(server.superuser, autocommit=True) as connection:
        yield connection


@pytest.fixture
def run_id():
    return str(uuid.uuid4())
