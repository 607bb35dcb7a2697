"""`geoingest doctor`: is everything there that this installation needs, and does it work?"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from geoingest.cli.options import home_option, json_option
from geoingest.errors import GeoingestError

if TYPE_CHECKING:
    from geoingest.settings import Settings

VECTOR_DRIVERS = (
    "GeoJSON",
    "ESRI Shapefile",
    "GPKG",
    "FlatGeobuf",
    "LIBKML",
    "GML",
    "OpenFileGDB",
    "GeoJSONSeq",
    "TopoJSON",
)
RASTER_DRIVERS = ("GTiff", "COG", "JP2OpenJPEG")
# The oldest that the documented behaviour was seen with.
OLDEST = {"GDAL": (3, 9), "GEOS": (3, 11), "PROJ": (9, 3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: `skip` is for parts that this installation does not have; `mend` says how to put a failure right."""

    check: str
    outcome: Literal["ok", "fail", "skip"]
    detail: str
    mend: str = ""


@click.command("doctor", short_help="check that everything needed works")
@home_option
@json_option
def command(*, home: str | None, as_json: bool) -> None:
    """Check libraries, drivers and stores, and say how to mend what fails. Exits 1 when something needed is missing."""
    from geoingest.cli.output import FAILED, SUCCESS, print_json, refusals
    from geoingest.settings import read_settings

    with refusals(as_json=as_json):
        settings = read_settings(os.environ, home=Path(home) if home else None)
    findings = list(examine(settings))
    healthy = all(finding.outcome != "fail" for finding in findings)
    if as_json:
        print_json(
            {"status": "ok" if healthy else "fail", "items": [asdict(finding) for finding in findings]}
        )
    else:
        for finding in findings:
            _say(finding)
    sys.exit(SUCCESS if healthy else FAILED)


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check of this installation, as it is made."""
    yield from _versions()
    yield from _vector_drivers()
    yield from _raster_drivers()
    for bucket in (settings.landing_bucket, settings.lake_bucket):
        if settings.object_store == "directory":
            yield _attempt(f"folder {bucket}", partial(_write_into, settings.home / bucket))
        else:
            yield _attempt(f"bucket {bucket}", partial(_list_bucket, settings, bucket))
    yield _attempt(f"folder {settings.scratch.name}", partial(_write_into, settings.scratch))
    yield _attempt("ledger", lambda: _open_ledger(settings))
    yield _examine_postgis(settings)


def _versions() -> Iterator[Finding]:
    import pyogrio
    import pyproj
    import shapely

    found = {
        "GDAL": tuple(pyogrio.__gdal_version__),
        "GEOS": tuple(shapely.geos_version),
        "PROJ": tuple(int(part) for part in pyproj.proj_version_str.split(".")),
    }
    for name, version in found.items():
        enough = version >= OLDEST[name]
        yield Finding(
            check=name,
            outcome="ok" if enough else "fail",
            detail=".".join(map(str, version)),
            mend=""
            if enough
            else f"install {name} {'.'.join(map(str, OLDEST[name]))} or newer: scripts/install local",
        )


def _vector_drivers() -> Iterator[Finding]:
    import pyogrio

    have = pyogrio.list_drivers()
    for driver in VECTOR_DRIVERS:
        there = "r" in have.get(driver, "")
        mend = "" if there else "install pyogrio from its wheel, which carries GDAL with this driver"
        yield Finding(
            check=f"driver {driver}",
            outcome="ok" if there else "fail",
            detail="reads" if there else "missing",
            mend=mend,
        )


def _raster_drivers() -> Iterator[Finding]:
    if find_spec("rasterio") is None:
        detail = "the raster lane is not installed"
        yield from (Finding(check=f"driver {name}", outcome="skip", detail=detail) for name in RASTER_DRIVERS)
        return
    from rasterio.env import Env

    with Env() as environment:
        have = environment.drivers()
    for driver in RASTER_DRIVERS:
        there = driver in have
        yield Finding(
            check=f"driver {driver}",
            outcome="ok" if there else "fail",
            detail="there" if there else "missing",
        )


def _examine_postgis(settings: Settings) -> Finding:
    if settings.postgis_dsn is None:
        detail = "not configured: the embedded engine needs no server"
        return Finding(check="PostGIS", outcome="skip", detail=detail)
    if find_spec("psycopg") is None or find_spec("adbc_driver_postgresql") is None:
        mend = "install geoingest with the extra postgis, or unset GEOINGEST_POSTGIS_DSN"
        return Finding(check="PostGIS", outcome="fail", detail="configured, but not installed", mend=mend)
    from geoingest.engines.postgis_schemas import examine_server

    try:
        return Finding(check="PostGIS", outcome="ok", detail=examine_server(settings.postgis_dsn))
    except GeoingestError as error:
        return Finding(check="PostGIS", outcome="fail", detail=error.message, mend=error.hint)


def _attempt(check: str, work: Callable[[], str]) -> Finding:
    try:
        return Finding(check=check, outcome="ok", detail=work())
    except GeoingestError as error:
        return Finding(check=check, outcome="fail", detail=error.message, mend=error.hint)
    except Exception as error:  # noqa: BLE001  whatever stands in the way is the finding
        mend = "make the home folder writable, or choose another with --home"
        return Finding(check=check, outcome="fail", detail=str(error), mend=mend)


def _write_into(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return f"{folder} is writable"


def _list_bucket(settings: Settings, bucket: str) -> str:
    from geoingest.runtime.platform import open_objects

    next(iter(open_objects(settings).list(bucket, "")), None)
    return f"s3://{bucket} can be listed"


def _open_ledger(settings: Settings) -> str:
    from geoingest.runtime.platform import open_platform
    from geoingest.stores.ledger.collections import MIGRATIONS

    with open_platform(settings) as platform:
        steps = platform.documents.find(MIGRATIONS.name, {}, sort=[("number", -1)], limit=1)
        where = "MongoDB" if settings.ledger_uri else settings.ledger
        return f"{where}, at migration {steps[0]['number']}"


def _say(finding: Finding) -> None:
    colour = {"ok": "green", "fail": "red", "skip": "yellow"}[finding.outcome]
    click.echo(f"{click.style(f'{finding.outcome:<5}', fg=colour)} {finding.check:<24} {finding.detail}")
    if finding.mend:
        click.echo(f"      {'':<24} to mend: {finding.mend}")
