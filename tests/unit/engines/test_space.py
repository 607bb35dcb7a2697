"""The embedded engine keeps the contract of engines."""

from __future__ import annotations

from functools import partial

import pytest

from geoingest.engines import open_space
from spaces import SpaceContract


class TestEmbeddedSpace(SpaceContract):
    @pytest.fixture
    def new_space(self, tmp_path):
        scratch, work_dir = tmp_path / "scratch", tmp_path / "work"
        scratch.mkdir()
        work_dir.mkdir()
        return partial(
            open_space, engine="embedded", run_id="", dsn=None, scratch=scratch, work_dir=work_dir, threads=2
        )
