"""The geometries that a repair replaced, as they were read: a Parquet file beside the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from geoingest.engines.port import GEOMETRY

if TYPE_CHECKING:
    from geoingest.engines.geometry import Chunk

REPAIRED_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("crs", pa.string()),
        (GEOMETRY, pa.binary()),
    ]
)


class Originals:
    """A Parquet file of geometries as they were before repair; no file when nothing was repaired."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, chunk: Chunk) -> None:
        """Add the chunk's originals, in the CRS (PROJJSON) they were read in."""
        found = chunk.repaired
        if found is None:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, REPAIRED_SCHEMA, compression="zstd")
        count = len(found.rows)
        columns = ([chunk.name] * count, found.rows, found.reasons, [chunk.crs] * count, found.originals)
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, REPAIRED_SCHEMA, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=REPAIRED_SCHEMA))
        self.rows += count

    def keep(self, folder: Path) -> Path | None:
        """Where the finished file now is: in `folder`; null, and none there, when nothing was repaired."""
        kept = folder / self._path.name
        if self._writer is None:
            kept.unlink(missing_ok=True)
            return None
        return self._path.replace(kept)

    def __enter__(self) -> None:
        """Nothing to open: the file is made with its first row."""

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
