"""Small source files of every vector format, made on the spot: `write_sample(format, folder)`.

One table of five points stands behind all of them (`ROWS`), so that any reader can be held to known values. What a
format cannot say (a shapefile has no booleans, KML no dates) is left out of that format's file, never approximated.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyogrio
import shapely

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One place: `number` lies beyond what a float64 holds exactly; nulls stand in row 2."""

    number: int | None
    name: str | None
    share: float | None
    day: date | None
    moment: datetime | None
    flag: bool | None
    x: float
    y: float


ROWS = (
    Row(
        number=9007199254740993,
        name="Größe",
        share=0.5,
        day=date(2024, 2, 29),
        moment=datetime(2024, 2, 29, 12, 30, 15, 250000, tzinfo=UTC),
        flag=True,
        x=8.25,
        y=47.5,
    ),
    Row(number=None, name=None, share=None, day=None, moment=None, flag=None, x=8.5, y=47.25),
    Row(
        number=-1,
        name="Łódź, Ærø",
        share=-1e-9,
        day=date(1969, 7, 20),
        moment=datetime(1969, 7, 20, 20, 17, 40, tzinfo=UTC),
        flag=False,
        x=8.75,
        y=47.0,
    ),
    Row(
        number=0,
        name="",
        share=12345678.125,
        day=date(1, 1, 1),
        moment=datetime(2000, 1, 1, tzinfo=UTC),
        flag=True,
        x=-8.0,
        y=-47.0,
    ),
    Row(
        number=4,
        name="日本語",
        share=3.0,
        day=date(9999, 12, 31),
        moment=datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
        flag=False,
        x=0.0,
        y=0.0,
    ),
)

_FIELDS = {
    "number": pa.int64(),
    "name": pa.string(),
    "share": pa.float64(),
    "day": pa.date32(),
    "moment": pa.timestamp("ms", tz="UTC"),
    "flag": pa.bool_(),
}


def sample_table(*fields: str) -> pa.Table:
    """The rows with the named fields (all without any), then `geometry` as ISO WKB points."""
    columns = {
        name: pa.array([getattr(row, name) for row in ROWS], type=_FIELDS[name]) for name in fields or _FIELDS
    }
    points = shapely.points([row.x for row in ROWS], [row.y for row in ROWS])
    columns["geometry"] = pa.array(shapely.to_wkb(points, flavor="iso"), type=pa.binary())
    return pa.table(columns)


def write_vector(
    path: Path,
    table: pa.Table,
    *,
    driver: str,
    crs: str = "EPSG:4326",
    geometry_type: str = "Point",
    **options: str,
) -> Path:
    """`table` (its last column WKB) written through GDAL; returns `path`."""
    layer = options.pop("layer", None)
    pyogrio.write_arrow(
        table,
        path,
        driver=driver,
        layer=layer,
        crs=crs,
        geometry_type=geometry_type,
        geometry_name=table.column_names[-1],
        **options,
    )
    return path


def features(*fields: str) -> list[dict[str, object]]:
    """The rows as GeoJSON features."""
    return [
        {
            "type": "Feature",
            "properties": {name: _plain(getattr(row, name)) for name in fields or _FIELDS},
            "geometry": {"type": "Point", "coordinates": [row.x, row.y]},
        }
        for row in ROWS
    ]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def write_json(path: Path, value: object) -> Path:
    """`value` as UTF-8 JSON; returns `path`."""
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def zip_folder(folder: Path, target: Path, *, inside: str = "") -> Path:
    """Every file below `folder` in one zip, under the folder `inside`; returns `target`."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, inside + file.relative_to(folder).as_posix())
    return target


def _geojson(folder: Path) -> Path:
    return write_json(folder / "places.geojson", {"type": "FeatureCollection", "features": features()})


def _geojsonseq(folder: Path) -> Path:
    path = folder / "places.geojsonl"
    lines = [json.dumps(feature, ensure_ascii=False) for feature in features()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _topojson(folder: Path) -> Path:
    geometries = [
        {
            "type": "Point",
            "coordinates": feature["geometry"]["coordinates"],
            "properties": feature["properties"],
        }  # type: ignore[index]
        for feature in features()
    ]
    places = {"type": "GeometryCollection", "geometries": geometries}
    return write_json(
        folder / "places.topojson", {"type": "Topology", "objects": {"places": places}, "arcs": []}
    )


def _gpkg(folder: Path) -> Path:
    return write_vector(folder / "places.gpkg", sample_table(), driver="GPKG")


def _fgb(folder: Path) -> Path:
    return write_vector(folder / "places.fgb", sample_table(), driver="FlatGeobuf")


def _shp(folder: Path) -> Path:
    table = sample_table("number", "name", "share", "day")
    return write_vector(folder / "places.shp", table, driver="ESRI Shapefile", ENCODING="UTF-8")


def _shp_zip(folder: Path) -> Path:
    inner = folder / "shp"
    inner.mkdir()
    _shp(inner)
    target = zip_folder(inner, folder / "places.shp.zip", inside="delivery/")
    shutil.rmtree(inner)
    return target


def _kml(folder: Path) -> Path:
    table = sample_table("name", "number", "share", "flag")
    return write_vector(folder / "places.kml", table, driver="LIBKML")


def _kmz(folder: Path) -> Path:
    path = _kml(folder)
    target = folder / "places.kmz"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "doc.kml")
    path.unlink()
    return target


def _gml(folder: Path) -> Path:
    return write_vector(folder / "places.gml", sample_table(), driver="GML", FORMAT="GML3.2")


def _gdb(folder: Path) -> Path:
    return write_vector(
        folder / "places.gdb",
        sample_table("number", "name", "share", "moment"),
        driver="OpenFileGDB",
        layer="places",
        TARGET_ARCGIS_VERSION="ARCGIS_PRO_3_2_OR_LATER",
    )


def _gdb_zip(folder: Path) -> Path:
    path = _gdb(folder)
    target = zip_folder(path, folder / "places.gdb.zip", inside="places.gdb/")
    shutil.rmtree(path)
    return target


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "geojson": _geojson,
    "geojsonseq": _geojsonseq,
    "topojson": _topojson,
    "gpkg": _gpkg,
    "fgb": _fgb,
    "shp": _shp,
    "shp.zip": _shp_zip,
    "kml": _kml,
    "kmz": _kmz,
    "gml": _gml,
    "gdb": _gdb,
    "gdb.zip": _gdb_zip,
}


def write_sample(file_format: str, folder: Path) -> Path:
    """The five rows as a file of that format (a key of `SAMPLES`) in `folder`, which is made when missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return SAMPLES[file_format](folder)
