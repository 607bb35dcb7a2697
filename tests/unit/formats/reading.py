"""Opening and reading small vector files in tests."""

from __future__ import annotations

import struct
from pathlib import Path

import pyarrow as pa
import shapely

import sources
from geoingest.formats.archive import unpack
from geoingest.formats.sniff import sniff
from geoingest.formats.vector_files import VectorLayer, open_layer, read_batches

POINT = {"type": "Point", "coordinates": [1.0, 2.0]}
WITH_MOMENT = ("geojson", "geojsonseq", "topojson", "gpkg", "fgb", "gml")


def open_file(path: Path, **options: object) -> VectorLayer:
    return open_layer(path, sniff(path), **options)


def rows_of(layer: VectorLayer) -> list[dict[str, object]]:
    return [row for batch in read_batches(layer) for row in batch.drop_columns(["geom"]).to_pylist()]


def geometries_of(layer: VectorLayer) -> list[shapely.Geometry | None]:
    return [
        geometry for batch in read_batches(layer) for geometry in shapely.from_wkb(batch["geom"].to_pylist())
    ]


def open_sample(file_format: str, folder: Path) -> VectorLayer:
    path = sources.write_sample(file_format, folder / "in")
    if file_format.endswith(".zip"):
        (folder / "out").mkdir()
        path = unpack(path, folder / "out").path
    return open_file(path)


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def write_features(
    folder: Path, *properties: dict[str, object] | None, geometry: object = POINT, **top: object
) -> Path:
    items = [{"type": "Feature", "properties": one, "geometry": geometry} for one in properties]
    return sources.write_json(
        folder / "places.geojson", {"type": "FeatureCollection", **top, "features": items}
    )


def write_text(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def column(folder: Path, *values: object) -> pa.ChunkedArray:
    """The column `a` of a GeoJSON file whose features have these values."""
    layer = open_file(write_features(folder, *({"a": value} for value in values)))
    return pa.Table.from_batches(read_batches(layer))["a"]


def write_dbf(path: Path, rows: list[bytes], *, ldid: int = 0, width: int = 20) -> None:
    head = struct.pack("<B3BIHH", 3, 124, 1, 1, len(rows), 65, 1 + width) + bytes(17) + bytes([ldid, 0, 0])
    field = b"NAME".ljust(11, b"\0") + b"C" + bytes(4) + bytes([width, 0]) + bytes(14)
    path.write_bytes(head + field + b"\r" + b"".join(b" " + row.ljust(width) for row in rows) + b"\x1a")


def write_shapefile(folder: Path, rows: list[bytes], *, ldid: int = 0, cpg: str | None = None) -> Path:
    points = pa.array([shapely.to_wkb(shapely.Point(n, n)) for n in range(len(rows))], pa.binary())
    path = sources.write_vector(
        folder / "a.shp",
        pa.table({"NAME": ["x"] * len(rows), "geometry": points}),
        driver="ESRI Shapefile",
    )
    path.with_suffix(".cpg").unlink()
    if cpg is not None:
        path.with_suffix(".cpg").write_text(cpg)
    write_dbf(path.with_suffix(".dbf"), rows, ldid=ldid)
    return path
