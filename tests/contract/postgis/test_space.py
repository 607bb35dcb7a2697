"""The PostGIS engine keeps the contract of engines, and gives what the embedded engine gives."""

from __future__ import annotations

from functools import partial

import pytest

from geoingest.engines import open_space
from geoingest.engines.postgis_schemas import drop_schema
from spaces import SpaceContract


@pytest.fixture
def new_space(server, run_id, tmp_path):
    scratch, work_dir = tmp_path / "scratch", tmp_path / "work"
    scratch.mkdir()
    work_dir.mkdir()
    yield partial(
        open_space,
        engine="postgis",
        run_id=run_id,
        dsn=server.dsn,
        scratch=scratch,
        work_dir=work_dir,
        threads=2,
    )
    drop_schema(server.dsn, run_id)


class TestPostgisSpace(SpaceContract):
    """All of it, over a server."""
