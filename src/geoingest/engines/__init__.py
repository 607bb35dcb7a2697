"""Engines: where a vector run's transient table lives while its recipe is applied."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from geoingest.errors.postgis import EngineNotInstalledError, PostgisNotConfiguredError

if TYPE_CHECKING:
    from pathlib import Path

    from geoingest.engines.port import Space


def open_space(
    *, engine: str, run_id: str, dsn: str | None, scratch: Path, work_dir: Path, threads: int
) -> Space:
    """The transient space of one run in the engine its plan names.

    Args: dsn: where PostGIS is; scratch: the run's folder; work_dir: private to this try.

    Raises: PostgisNotConfiguredError, PostgisDsnInvalidError, EngineNotInstalledError.
    """
    if engine == "embedded":
        from geoingest.engines.embedded import EmbeddedSpace

        return EmbeddedSpace(scratch=scratch, work_dir=work_dir, threads=threads)
    if engine != "postgis":
        raise ValueError(f"no such engine: {engine}")
    if dsn is None:
        raise PostgisNotConfiguredError
    if find_spec("psycopg") is None or find_spec("adbc_driver_postgresql") is None:
        raise EngineNotInstalledError(engine=engine, extra="postgis")
    from geoingest.engines.postgis import PostgisSpace

    return PostgisSpace(dsn=dsn, run_id=run_id, scratch=scratch, work_dir=work_dir, threads=threads)
