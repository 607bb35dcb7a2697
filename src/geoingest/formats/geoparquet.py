"""GeoParquet 1.1 files as readers like them: Hilbert order, bbox covering, exact metadata, zstd, page index.

Takes a stream of batches whose bounds are known, in any order and of any size, and needs memory for a buffer
and a few row groups only. The same rows give the same bytes, however they are cut into batches and whether or
not they had to be spilled. Orients, repairs and reprojects nothing: that comes before.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from geoingest.errors.geometry import GeometryUnreadableError
from geoingest.formats import wkb
from geoingest.formats.covering import COVERING_TYPE, covering, covering_name
from geoingest.formats.geo_metadata import geo_metadata
from geoingest.formats.measured import Measured, Tally, measure
from geoingest.formats.plain_types import plain_schema
from geoingest.formats.row_groups import DEFAULT_RULE, MIB, RowGroupCutter, RowGroupRule
from geoingest.formats.spatial_order import SpatialOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from geoingest.formats.geo_metadata import Box

Item = TypeVar("Item")
Result = TypeVar("Result")

ZSTD_LEVEL: Final = 4
"""Measured, see docs/why: most of what higher levels save, for a tenth more time than level 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoParquetFacts:
    """What was written, exact over all rows.

    Attributes:
        bounds: null when there is no coordinate.
        geometry_types: sorted names with dimension (`Polygon`, `Point Z`, `LineString ZM`), empties included.
        geometry_type: upper-case OGC name without dimension, `GEOMETRY` when mixed, `UNKNOWN` without any.
    """

    rows: int
    bounds: Box | None
    geometry_types: tuple[str, ...]
    geometry_type: str
    row_groups: int
    size_bytes: int
    null_geometries: int
    vertices: int


def write_geoparquet(
    path: Path,
    batches: Iterable[pa.RecordBatch],
    *,
    schema: pa.Schema,
    crs: Mapping[str, object] | None,
    bounds: Box | None,
    work_dir: Path,
    metadata: Mapping[str, str] | None = None,
    memory_bytes: int = 128 * MIB,
    rule: RowGroupRule = DEFAULT_RULE,
    on_rows: Callable[[int], None] | None = None,
) -> GeoParquetFacts:
    """Writes all rows to `path` and says what they were; on any failure nothing is left there.

    Args:
        batches: of `schema`; its last column is the geometry, ISO WKB, null where there is none.
        crs: PROJJSON; None means unknown.
        bounds: of all rows: what the Hilbert curve fills. None keeps the input's order; bounds that miss rows
            cost order, nothing else. West > east means across the antimeridian: the file's bbox says so too.
        work_dir: a folder with room for the rows' uncompressed size, when they outgrow `memory_bytes`.
        metadata: further key-value pairs of the file.
        rule: how large row groups may be.
        on_rows: told the rows written so far, after each row group.

    Raises: GeometryUnreadableError naming the row among all rows.
    """
    layout = _Layout.of(schema)
    try:
        with SpatialOrder(work_dir=work_dir, memory_bytes=memory_bytes) as order:
            tally = _take_in(order, batches, layout, bounds)
            extent = _file_bounds(tally, bounds)
            geo = layout.geo(tally, crs=crs, bounds=extent)
            with layout.writer(path, metadata={**(metadata or {}), "geo": geo}) as writer:
                groups = _write_groups(writer, order, rule, on_rows)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return GeoParquetFacts(
        rows=tally.rows,
        bounds=extent,
        geometry_types=wkb.type_names(tally.types),
        geometry_type=wkb.ogc_geometry_type(tally.types),
        row_groups=groups,
        size_bytes=path.stat().st_size,
        null_geometries=tally.nulls,
        vertices=tally.vertices,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """The columns of the file: attributes, covering, geometry last."""

    taken: pa.Schema
    written: pa.Schema

    @classmethod
    def of(cls, schema: pa.Schema) -> _Layout:
        *attributes, geometry = plain_schema(schema)
        kind = geometry.type
        # An extension name on the geometry would be a second, silent word about its type and CRS.
        bare = pa.field(geometry.name, kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind)
        cover = pa.field(covering_name(schema.names), COVERING_TYPE)
        return cls(taken=pa.schema([*attributes, bare]), written=pa.schema([*attributes, cover, bare]))

    def measure(self, batch: pa.RecordBatch, bounds: Box | None) -> tuple[pa.RecordBatch, Measured]:
        if batch.schema != self.taken:
            batch = batch.cast(self.taken)
        *attributes, geometry = batch.columns
        measured = measure(batch, bounds)
        columns = [*attributes, covering(measured.boxes, geometry), geometry]
        return pa.RecordBatch.from_arrays(columns, schema=self.written), measured

    def writer(self, path: Path, *, metadata: Mapping[str, str]) -> pq.ParquetWriter:
        """Boxes and WKB hardly repeat: no dictionary. WKB has no useful order: no statistics.

        The metadata goes in with the schema: added later, it is not in `ARROW:schema`, where pyarrow and so
        geopandas look for it.
        """
        leaves = _leaf_paths(self.written)
        geometry_at = -1
        cover_at = geometry_at - len(COVERING_TYPE)
        return pq.ParquetWriter(
            path,
            self.written.with_metadata(metadata),
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=leaves[:cover_at],
            write_statistics=leaves[:geometry_at],
            use_byte_stream_split=leaves[cover_at:geometry_at],
            write_page_index=True,
        )

    def geo(self, tally: Tally, *, crs: Mapping[str, object] | None, bounds: Box | None) -> str:
        *_, cover, geometry = self.written.names
        return geo_metadata(
            geometry_column=geometry,
            covering_column=cover,
            geometry_types=wkb.type_names(tally.types),
            crs=crs,
            bounds=bounds,
            z_range=tally.z_range,
        )


def _leaf_paths(schema: pa.Schema) -> list[str]:
    """Parquet's path of every leaf in file order, as the writer itself names them."""
    sink = pa.BufferOutputStream()
    pq.ParquetWriter(sink, schema).close()
    leaves = pq.read_metadata(pa.BufferReader(sink.getvalue())).schema
    return [leaves.column(number).path for number in range(len(leaves))]


def _take_in(
    order: SpatialOrder, batches: Iterable[pa.RecordBatch], layout: _Layout, bounds: Box | None
) -> Tally:
    tally = Tally()
    try:
        with closing(_overlapped(lambda batch: layout.measure(batch, bounds), batches)) as parts:
            for batch, measured in parts:
                tally.add(measured)
                order.add(batch, keys=measured.keys, sizes=measured.sizes)
    except GeometryUnreadableError as error:
        raise GeometryUnreadableError(row=tally.rows + error.row, reason=error.reason) from None
    return tally


def _write_groups(
    writer: pq.ParquetWriter, order: SpatialOrder, rule: RowGroupRule, on_rows: Callable[[int], None] | None
) -> int:
    groups = written = 0
    with closing(_read_ahead(order.groups(most=rule.most, choose=RowGroupCutter(rule)))) as batches:
        for batch in batches:
            writer.write_batch(batch, row_group_size=batch.num_rows)
            groups += 1
            written += batch.num_rows
            if on_rows is not None:
                on_rows(written)
    return groups


def _file_bounds(tally: Tally, bounds: Box | None) -> Box | None:
    """Exact over all rows; across the antimeridian west and east are the caller's."""
    exact = tally.bounds
    if exact is None or bounds is None or bounds[0] <= bounds[2]:
        return exact
    return bounds[0], exact[1], bounds[2], exact[3]


def _overlapped(function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result]:
    """`map`, in order, with the next two results being made in other threads while the caller works on this one."""
    with ThreadPoolExecutor(2) as pool:
        ahead: deque[Future[Result]] = deque()
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > 2:  # noqa: PLR2004 - as many as threads
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _read_ahead(items: Iterator[Item]) -> Generator[Item]:
    """The items, with the next one being made in another thread while the caller works on this one."""
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(next, items, None)
        while (item := ahead.result()) is not None:
            ahead = pool.submit(next, items, None)
            yield item
