"""GDAL inside this process: one driver at a time, no network, no files written beside the input.

pyogrio opens with whatever drivers are registered and has no argument to name the allowed ones. What was found with
pyogrio 0.13 and GDAL 3.12:

- `GDAL_SKIP` set after the import changes nothing by itself, because importing pyogrio registers every driver.
- Registering again (`pyogrio._ogr._register_drivers`) applies `GDAL_SKIP` anew: skipped drivers leave the process,
  others come back. This takes a millisecond and works any number of times while no dataset is open.
- The function is private, so `only_driver` looks afterwards whether exactly one driver is left, and fails if not.
- A dataset must be closed before its driver goes, so `only_driver` refuses a second driver while one is in use.

pyogrio turns GDAL's warnings into Python warnings, but only in the thread that imported it, and drops GDAL's errors
(`CE_Failure`) unless the call itself fails. Readers therefore run in the main thread of a child process, and whoever
reads compares what came out with what the file says it holds.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyogrio
from pyogrio._ogr import _register_drivers

from geoingest.errors.source import SourceUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

# Raster drivers that read other files or hosts; pyogrio lists only vector drivers, so these are named.
_RASTER = (
    "VRT", "GTI", "DERIVED", "MRF", "WMS", "WCS", "WMTS", "STACTA", "STACIT", "PLMOSAIC", "DAAS", "EEDAI", "NGW",
    "OGCAPI", "Zarr", "KMLSUPEROVERLAY",
)  # fmt: skip
_VECTOR = tuple(pyogrio.list_drivers())

_CONFIG: dict[str, str | bool | None] = {
    # No host is reached: only names with a suffix that no file has may be fetched, and no request lasts.
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "CPL_VSIL_USE_TEMP_FILE_FOR_RANDOM_WRITE": False,
    "GDAL_HTTP_TIMEOUT": "1",
    "GDAL_HTTP_MAX_RETRY": "0",
    "PROJ_NETWORK": False,
    "OSR_DEFAULT_AXIS_MAPPING_STRATEGY": None,
    "GDAL_VRT_ENABLE_PYTHON": False,
    "GDAL_PAM_ENABLED": False,
    "OGR_SQLITE_LOAD_EXTENSIONS": None,
    # Links inside a GML document are not followed, and its schema is not fetched.
    "GML_DOWNLOAD_SCHEMA": False,
    "GML_SKIP_RESOLVE_ELEMS": "ALL",
    # One thread: errors and warnings of worker threads reach nobody.
    "OGR_GPKG_NUM_THREADS": "1",
    "OGR_PARQUET_NUM_THREADS": "1",
    "GDAL_NUM_THREADS": "1",
    # Where it is on, GDAL rewrites an index that is there as well: that is the user's own file.
    "SHAPE_RESTORE_SHX": None,
    # A single GeoJSON feature of any size is read; the process's memory limit decides.
    "OGR_GEOJSON_MAX_OBJ_SIZE": "0",
}

# What GDAL says when it goes on without the data it could not read, and what that means in our words.
_LOSSES = (
    ("not closed", "a polygon's ring is not closed"),
    ("Non closed ring", "a polygon's ring is not closed"),
    ("NULL geometry", "a geometry is of no known type"),
    ("Invalid coord dimension", "a position has fewer than two coordinates"),
    ("too many members in array", "a position has more than three coordinates"),
    ("out of 64bit integer range", "an integer does not fit 64 bits"),
    ("out of range", "a value is outside the range of its field's type"),
    ("clamped", "a value is outside the range of its field's type"),
    ("truncated", "a value or the file is cut off"),
    ("converted correctly", "text is not in the encoding the file is said to have"),
    ("not a valid utf-8", "text is not in the encoding the file is said to have"),
    ("Invalid content for record", "a stored value does not fit its field"),
    ("malformed", "the file's structure is damaged"),
    ("corrupt", "the file's structure is damaged"),
    ("nvalid geometry", "a geometry cannot be read"),
    ("annot parse", "a part of the file cannot be read"),
    ("rror parsing", "a part of the file cannot be read"),
)


_in_use: list[str] = []
# Held while a driver is in use: a function server reads for several runs in as many threads.
_turn = threading.RLock()


@contextlib.contextmanager
def only_driver(driver: str) -> Iterator[None]:
    """Inside, `driver` (GDAL's short name) is the only vector driver of this process; GDAL's other doors are shut.

    Other threads wait for their turn. May be nested for one driver. A second driver while the first is in use is a
    fault of the program: its removal would pull the first one's datasets down.
    """
    with _turn:
        yield from _with_only(driver)


def _with_only(driver: str) -> Iterator[None]:
    if any(used != driver for used in _in_use):
        raise RuntimeError(f"GDAL is in use with the driver {_in_use[0]!r}; {driver!r} must wait")
    if not _in_use:
        _restrict(driver)
    _in_use.append(driver)
    try:
        yield
    finally:
        _in_use.pop()
        if not _in_use:
            _register_drivers()


def _restrict(driver: str) -> None:
    pyogrio.set_gdal_config_options(_CONFIG)
    skipped = [name for name in dict.fromkeys((*_RASTER, *_VECTOR)) if name != driver]
    pyogrio.set_gdal_config_options({"GDAL_SKIP": ",".join(skipped)})
    with warnings.catch_warnings():
        # A driver that this build does not have cannot be skipped, which is as well.
        warnings.filterwarnings("ignore", message="Unable to find driver")
        _register_drivers()
    pyogrio.set_gdal_config_options({"GDAL_SKIP": None})
    left = list(pyogrio.list_drivers())
    if left != [driver]:
        _register_drivers()
        raise RuntimeError(f"GDAL kept the drivers {left}, only {driver!r} was allowed")


@dataclass(frozen=True, slots=True)
class Heard:
    """GDAL's warnings while something ran, as GDAL put them; only for the log."""

    messages: list[str] = field(default_factory=list)


@contextlib.contextmanager
def listening(name: str) -> Iterator[Heard]:
    """Runs a GDAL call and translates what goes wrong in it; other warnings go to the log.

    Raises: SourceUnreadableError: GDAL failed, or said that it went on without some of the data of `name`.
    """
    heard = Heard()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield heard
        except (
            pyogrio.errors.DataSourceError,
            pyogrio.errors.DataLayerError,
            pyogrio.errors.CRSError,
            pyogrio.errors.FeatureError,
            pyogrio.errors.FieldError,
            pyogrio.errors.GeometryError,
            OSError,
            IndexError,
            UnicodeDecodeError,
            ValueError,
            RuntimeError,
            # pyogrio 0.13 trips over its own variable where GDAL cannot write down a CRS.
            UnboundLocalError,
        ) as error:
            log.info("GDAL could not read %s: %s", name, error)
            raise SourceUnreadableError(name=name, reason=_meaning(str(error))) from error
    heard.messages.extend(str(warning.message) for warning in caught)
    for message in heard.messages:
        _judge(name, message)


def _judge(name: str, message: str) -> None:
    log.warning("GDAL on %s: %s", name, message)
    for words, meaning in _LOSSES:
        if words in message:
            raise SourceUnreadableError(name=name, reason=meaning)


def _meaning(message: str) -> str:
    for words, meaning in _LOSSES:
        if words in message:
            return meaning
    return "the file cannot be read; it is damaged, truncated, or not what its first bytes say"
