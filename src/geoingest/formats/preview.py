"""A picture of a GeoParquet file: one HTML page with a map of it and a table of facts.

The page stands alone: no script, no request to anywhere, light and dark, from a phone's width up. Page
size is bounded whatever the size of the file, and memory by one row group's geometry: large files are
sampled, and the page says so.
Reads files that geoingest wrote (WKB geometry, `geo` metadata); validates nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import pyproj
import shapely
from numpy.typing import NDArray

from geoingest.formats.map_svg import Box, Geometries, Sketch, fit_frame, render_map

MAX_FEATURES: Final = 20_000
MAX_ROW_GROUPS: Final = 64
"""Row groups read at the most: some six million rows, a few seconds."""
BATCH_ROWS: Final = 2_048
BATCH_BYTES: Final = 16 * 2**20
"""Geometry turned into shapes at a time; one geometry is the least."""
LONG_FACT: Final = 34
"""Characters beyond which a fact (an address, a hash) gets a line of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An asset's map as SVG text (null: there is no geometry to draw), and how much of the asset it shows."""

    svg: str | None
    grid: str
    """What the grid's numbers mean: the CRS and its unit."""
    drawn: int
    sampled: int
    """Rows looked at; below `rows` when the file was too large to draw all of it."""
    rows: int


def write_preview(parquet: Path, out: Path, *, title: str, facts: Mapping[str, str]) -> None:
    """Writes a self-contained HTML page with a map of `parquet` and the facts, short ones first, to `out`.

    Args:
        title: any text; like the facts it is escaped.
        facts: label to value.
    """
    picture = draw_asset(parquet, title=title)
    template = Template(files("geoingest.formats").joinpath("preview.html").read_text("utf-8"))
    page = template.substitute(
        title=escape(title),
        map=picture.svg or '<p class="empty">No geometry to draw</p>',
        caption="".join(f"<span>{escape(text)}</span>" for text in _captions(picture)),
        facts="\n".join(_fact(label, value) for label, value in sorted(facts.items(), key=_is_long)),
    )
    out.write_text(page, "utf-8")


def render_svg(parquet: Path, *, title: str) -> str | None:
    """The map of a file as SVG text that stands alone, under 3 MB; null when there is nothing to draw."""
    return draw_asset(parquet, title=title).svg


def draw_asset(parquet: Path, *, title: str) -> Picture:
    """The map of `parquet` and how much of it was drawn."""
    with pq.ParquetFile(parquet) as file:
        geo = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
        name = geo.get("primary_column", "geom")
        column = geo.get("columns", {}).get(name, {})
        crs = _crs(column)
        plan = plan_sample([file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)])
        bounds = _bounds(column, file, name, plan)
        rows, sampled = file.metadata.num_rows, sum(len(picked) for picked in plan.values())
        svg, drawn = None, 0
        if bounds:
            sketch = Sketch(fit_frame(bounds, is_geographic=crs is not None and crs.is_geographic))
            for geometries in _read_sample(file, name, plan):
                sketch.add(geometries)
            drawn = sketch.features
            svg = render_map(sketch, label=escape(f"Map of {title}")) if drawn else None
    return Picture(svg=svg, grid=_grid_meaning(crs), drawn=drawn, sampled=sampled, rows=rows)


def plan_sample(
    group_rows: Sequence[int], *, max_features: int = MAX_FEATURES, max_groups: int = MAX_ROW_GROUPS
) -> dict[int, NDArray[np.int64]]:
    """Row group to the rows in it that are drawn: all of a small file, evenly spaced rows of a large one.

    Files are in Hilbert order, so rows that are evenly spaced in a file are evenly spread over the map.
    """
    every = -(-len(group_rows) // max_groups) or 1
    groups = range(0, len(group_rows), every)
    starts = np.cumsum([0, *(group_rows[group] for group in groups)])
    count = min(int(starts[-1]), max_features)
    picked = np.arange(count, dtype=np.int64) * int(starts[-1]) // max(count, 1)
    edges = np.searchsorted(picked, starts)
    return {
        group: picked[edges[i] : edges[i + 1]] - starts[i]
        for i, group in enumerate(groups)
        if edges[i] < edges[i + 1]
    }


def _read_sample(
    file: pq.ParquetFile, name: str, plan: Mapping[int, NDArray[np.int64]]
) -> Iterator[Geometries]:
    """The planned rows' geometries, batch by batch; bytes that are no WKB are read as null."""
    for group, picked in plan.items():
        start = 0
        for batch in file.iter_batches(_batch_rows(file, name, group), row_groups=[group], columns=[name]):
            low, high = np.searchsorted(picked, [start, start + len(batch)])
            column: Any = batch.column(0)
            wkb = getattr(column, "storage", column).take(picked[low:high] - start)
            yield shapely.from_wkb(wkb.to_numpy(zero_copy_only=False), on_invalid="ignore")
            start += len(batch)


def _batch_rows(file: pq.ParquetFile, name: str, group: int) -> int:
    """Rows of a row group that are read together: fewer when its geometries are large."""
    described = file.metadata.row_group(group)
    columns = (described.column(index) for index in range(described.num_columns))
    size: int = next(column.total_uncompressed_size for column in columns if column.path_in_schema == name)
    rows: int = BATCH_BYTES * described.num_rows // max(size, 1)
    return max(1, min(BATCH_ROWS, rows))


def _crs(column: Mapping[str, Any]) -> pyproj.CRS | None:
    """The column's CRS; GeoParquet's default is OGC:CRS84, and an explicit null means that it is unknown."""
    if "crs" not in column:
        return pyproj.CRS("OGC:CRS84")
    return pyproj.CRS.from_json_dict(column["crs"]) if column["crs"] else None


def _bounds(
    column: Mapping[str, Any], file: pq.ParquetFile, name: str, plan: Mapping[int, NDArray[np.int64]]
) -> Box | None:
    """The file's box as its metadata tells it, or else that of what is drawn; null when there is none."""
    if box := column.get("bbox"):
        half = len(box) // 2
        return box[0], box[1], box[half], box[half + 1]
    boxes = [shapely.bounds(geometries) for geometries in _read_sample(file, name, plan)]
    known = np.concatenate(boxes) if boxes else np.empty((0, 4))
    known = known[np.isfinite(known).all(axis=1)]
    if not len(known):
        return None
    west, south = known[:, :2].min(axis=0).tolist()
    east, north = known[:, 2:].max(axis=0).tolist()
    return west, south, east, north


def _grid_meaning(crs: pyproj.CRS | None) -> str:
    if crs is None:
        return "Coordinates without a CRS"
    return f"Grid: {crs.name}, {crs.axis_info[0].unit_name}" if crs.axis_info else f"Grid: {crs.name}"


def _captions(picture: Picture) -> Iterator[str]:
    rows = f"{picture.rows:,} {'feature' if picture.rows == 1 else 'features'}"
    if picture.sampled < picture.rows:
        yield f"A sample: {picture.drawn:,} of {rows}, evenly spaced over the file"
    elif picture.drawn < picture.rows:
        yield f"{picture.drawn:,} of {rows} drawn; the others have no geometry"
    else:
        yield f"{rows} drawn"
    if picture.svg:
        yield picture.grid


def _is_long(fact: tuple[str, str]) -> bool:
    return len(fact[1]) > LONG_FACT


def _fact(label: str, value: str) -> str:
    kind = "" if not _is_long((label, value)) else "wide" if " " in value else "wide code"
    return f'<div class="{kind}"><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>'
