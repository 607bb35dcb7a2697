"""Runs' schemas on the PostGIS server, where this process has one: what they are and that they go.

A run that is over stays what it is, whatever becomes of its schema: trouble is logged, and the janitor's next pass
tries again.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec

from geoingest.errors import GeoingestError
from geoingest.settings import Settings

log = logging.getLogger(__name__)


def drop_schema(settings: Settings, run_id: str) -> bool:
    """Whether the server has no schema of the run any more."""
    dsn = _dsn(settings)
    if dsn is None:
        return False
    from geoingest.engines import postgis_schemas

    try:
        postgis_schemas.drop_schema(dsn, run_id)
    except GeoingestError as error:
        log.warning("the schema of run %s stays for now: %s", run_id, error)
        return False
    return True


def list_schemas(settings: Settings) -> list[str]:
    """The ids of the runs that have a schema; none where there is no server, or it does not answer."""
    dsn = _dsn(settings)
    if dsn is None:
        return []
    from geoingest.engines import postgis_schemas

    try:
        return postgis_schemas.list_run_schemas(dsn)
    except GeoingestError as error:
        log.warning("the schemas of runs that are over stay for now: %s", error)
        return []


def _dsn(settings: Settings) -> str | None:
    """Null also where the libraries are missing: then no run of this installation ever had a schema."""
    return settings.postgis_dsn if find_spec("psycopg") else None
