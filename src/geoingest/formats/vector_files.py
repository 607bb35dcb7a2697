"""Vector files to typed Arrow batches, through GDAL with the one driver that our own sniff chose.

Owns opening a layer (CRS, encoding, exact types) and streaming it. What GDAL would drop or change on the way is either
read exactly or refused with a stable error; the input's folder is only read. Not owned: unpacking archives, renaming
fields, reprojecting.

Exactness, by kind of value:

- Date-times: GDAL's own timestamps lose the zone when a column mixes zones, and ignore it when some values have none.
  Such columns are read as text and typed over the whole file: every value with a zone gives UTC instants, none gives
  local times, both give text. GDAL keeps milliseconds; GeoJSON is read to the microsecond.
- Coded-value domains: GDAL hands out dictionaries code -> label; the stored codes are kept.
- JSON objects and arrays in a property: text, with field metadata `logical: json`.
- Curves: linearised by GDAL in the source CRS, 4 degrees a segment.
- KML is read by LIBKML: the plain KML driver gives Name and Description only, and empty text for what is not there.
  The columns that LIBKML adds for drawing are left out, and of its data columns those without any value.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyogrio

from geoingest.errors.source import CrsMissingError, CrsUnknownError, SourceUnreadableError
from geoingest.formats.arrow_stream import batches, layer_stream
from geoingest.formats.crs import crs_name, resolve_crs, same_crs
from geoingest.formats.gdal_session import listening, only_driver
from geoingest.formats.layers import choose_layer
from geoingest.formats.preparing import prepare
from geoingest.formats.source_columns import columns_of, convert, used_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyproj

    from geoingest.formats.prepared import EncodingOrigin, Prepared
    from geoingest.formats.sniff import Sniffed
    from geoingest.formats.source_columns import Columns

Origin = Literal["data", "manifest", "format"]

MAX_BATCH_ROWS = 65_536
_BATCH_BYTES = 12 << 20
# Drivers whose count stands in the file's header, and which end quietly where the file does.
_COUNTED = {"FlatGeobuf", "OpenFileGDB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorLayer:
    """One layer of one file, ready to be read.

    `crs` is PROJJSON text; `schema` holds the attributes under their original names, without geometry; `features` is
    null when only reading tells; `warnings` are sentences for the user.
    """

    name: str
    path: Path
    driver: str
    layer: str
    crs: str
    crs_from: Origin
    schema: pa.Schema
    features: int | None
    geometry_type: str
    encoding: str
    encoding_from: EncodingOrigin
    warnings: tuple[str, ...]
    prepared: Prepared
    columns: Columns


def open_layer(
    path: Path,
    sniffed: Sniffed,
    *,
    layer: str | None = None,
    crs: str | None = None,
    force_crs: bool = False,
    encoding: str | None = None,
    name: str | None = None,
) -> VectorLayer:
    """The layer of `path` that is meant, checked and typed, its features unread.

    Args: layer: needed when the file has several; crs: for data that names none, or with `force_crs` for any;
        encoding: of a DBF that does not tell; name: what to call the file in messages.
    Raises: CrsMissingError, CrsUnknownError, EncodingUnknownError, LayerAmbiguousError, LayerNotFoundError,
        SourceUnreadableError, XmlDoctypeError.
    """
    shown = name or path.name
    prepared = prepare(path, sniffed, encoding=encoding, name=shown)
    with only_driver(prepared.driver):
        return _open(path, prepared, layer=layer, crs=crs, force_crs=force_crs, name=shown)


def _open(
    path: Path, prepared: Prepared, *, layer: str | None, crs: str | None, force_crs: bool, name: str
) -> VectorLayer:
    chosen = choose_layer(prepared, wanted=layer, name=name)
    with layer_stream(prepared, chosen, name=name) as (meta, reader):
        schema = reader.schema
    found = _data_crs(prepared, meta, schema, forgive=force_crs and crs is not None)
    decided, crs_from, warnings = _decide_crs(
        found, crs, by_format=prepared.crs_by_format, force=force_crs, layer=chosen, name=name
    )
    columns = columns_of(prepared, chosen, schema, name=name)
    return VectorLayer(
        name=name,
        path=path,
        driver=prepared.driver,
        layer=chosen,
        crs=decided.to_json(),
        crs_from=crs_from,
        schema=pa.schema([column.field for column in columns.columns]),
        features=_count(prepared, chosen, name),
        geometry_type=str(meta["geometry_type"] or "Unknown"),
        encoding=prepared.encoding,
        encoding_from=prepared.encoding_from,
        warnings=(*prepared.warnings, *warnings, *columns.warnings),
        prepared=prepared,
        columns=columns,
    )


def read_batches(layer: VectorLayer, *, batch_rows: int | None = None) -> Iterator[pa.RecordBatch]:
    """The layer's features: its attributes in order, then `geom` as the last column (ISO WKB with Z and M, or null).

    Args: batch_rows: most rows in a batch; null chooses about 12 MB, at most 65,536 rows.
    Raises: SourceUnreadableError: also after the last batch, when fewer features came out than the file holds.
    """
    schema = pa.schema([*layer.schema, pa.field("geom", pa.binary())])
    rows, nulls = 0, 0
    stream = layer_stream(
        layer.prepared,
        layer.layer,
        name=layer.name,
        batch_rows=batch_rows or _batch_rows(layer),
        text_times=layer.columns.text_times,
    )
    with stream as (_, reader):
        for batch in batches(reader, name=layer.name):
            arrays = [
                convert(batch.column(column.index), column, name=layer.name)
                for column in layer.columns.columns
            ]
            geometry = _wkb(batch.column(batch.num_columns - 1))
            rows, nulls = rows + len(batch), nulls + geometry.null_count
            yield pa.RecordBatch.from_arrays([*arrays, geometry], schema=schema)
    _check_whole(layer, rows=rows, nulls=nulls)


def is_all_null(layer: VectorLayer, field: str) -> bool:
    """Whether no feature of the layer has a value in `field`; reads that column only."""
    return not used_columns(layer.prepared, layer.layer, [field], name=layer.name)


def _wkb(array: pa.Array) -> pa.Array:
    storage = array.storage if isinstance(array, pa.ExtensionArray) else array
    return storage.cast(pa.binary())


def _check_whole(layer: VectorLayer, *, rows: int, nulls: int) -> None:
    promised = layer.features if layer.driver in _COUNTED else layer.prepared.features
    null_geometries = layer.prepared.null_geometries
    if not rows and not layer.prepared.may_be_empty:
        raise SourceUnreadableError(
            name=layer.name, reason=f"the table of layer '{layer.layer}' cannot be opened"
        )
    if promised is not None and rows != promised:
        raise SourceUnreadableError(
            name=layer.name, reason=f"holds {promised} features, but {rows} could be read"
        )
    if null_geometries is not None and nulls != null_geometries:
        reason = f"{nulls - null_geometries} geometries cannot be read"
        raise SourceUnreadableError(name=layer.name, reason=reason)


def _count(prepared: Prepared, layer: str, name: str) -> int | None:
    if prepared.features is not None:
        return prepared.features
    with listening(name):
        features = int(pyogrio.read_info(prepared.path, layer=layer, **dict(prepared.options))["features"])
    return features if features >= 0 else None


def _batch_rows(layer: VectorLayer) -> int:
    path = layer.prepared.path
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    row_bytes = sum(file.stat().st_size for file in files) / max(layer.features or 0, 1)
    return max(1, min(MAX_BATCH_ROWS, int(_BATCH_BYTES / max(row_bytes, 1.0))))


def _data_crs(
    prepared: Prepared, meta: dict[str, object], schema: pa.Schema, *, forgive: bool
) -> pyproj.CRS | None:
    """The CRS that the data names; null when there is none, or one that says no more than "undefined".

    Args: forgive: a CRS that nobody knows counts as none, because it will be replaced.
    """
    if prepared.crs_unknown:
        return None
    text = prepared.crs or _geometry_crs(meta, schema)
    if text is None:
        return None
    try:
        crs = resolve_crs(text)
    except CrsUnknownError:
        if forgive:
            return None
        raise
    return None if crs.is_engineering or crs.name.lower().startswith(("undefined", "unknown")) else crs


def _geometry_crs(meta: dict[str, object], schema: pa.Schema) -> str | None:
    """The layer's EPSG code, else its PROJJSON: pyogrio's WKT is WKT1, which many a CRS does not survive."""
    named = meta["crs"]
    if isinstance(named, str) and named.startswith("EPSG:"):
        return named
    metadata = schema.field(len(schema) - 1).metadata or {}
    geoarrow = json.loads(metadata.get(b"ARROW:extension:metadata") or b"{}").get("crs")
    if geoarrow is not None:
        return json.dumps(geoarrow)
    return named if isinstance(named, str) else None


def _decide_crs(
    found: pyproj.CRS | None, given: str | None, *, by_format: str | None, force: bool, layer: str, name: str
) -> tuple[pyproj.CRS, Origin, tuple[str, ...]]:
    wanted = resolve_crs(given) if given is not None else None
    if found is None:
        if wanted is not None:
            return wanted, "manifest", ()
        if by_format is not None:
            return resolve_crs(by_format), "format", ()
        raise CrsMissingError(name=name, layer=layer)
    if wanted is None or same_crs(found, wanted):
        return found, "data", ()
    if force:
        replaced = (
            f"{name}: the data's CRS {crs_name(found)} was replaced by the manifest's {crs_name(wanted)}"
        )
        return wanted, "manifest", (replaced,)
    kept = (
        f"{name}: the manifest says {crs_name(wanted)}, the data says {crs_name(found)}; the data's was kept"
    )
    return found, "data", (kept,)
