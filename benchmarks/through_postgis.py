"""A GeoPackage through the PostGIS engine into a GeoParquet, reprojected and simplified; prints rows and seconds.

The server is the one of GEOINGEST_POSTGIS_DSN.
"""

import json
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pyarrow as pa
import pyogrio
import pyproj

from geoingest.engines import open_space
from geoingest.engines.port import GEOMETRY
from geoingest.formats.geoparquet import write_geoparquet
from geoingest.recipes import Reproject, Simplify

source, target, tolerance = sys.argv[1:]
started = time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    work_dir = Path(folder)
    space = open_space(
        engine="postgis",
        run_id=str(uuid.uuid4()),
        dsn=os.environ["GEOINGEST_POSTGIS_DSN"],
        scratch=work_dir,
        work_dir=work_dir,
        threads=2,
    )
    with pyogrio.open_arrow(source, use_pyarrow=True) as (meta, reader):
        names = [name for name in reader.schema.names if name != (meta["geometry_name"] or "wkb_geometry")]
        schema = pa.schema([*map(reader.schema.field, names), (GEOMETRY, pa.binary())])
        batches = (
            pa.RecordBatch.from_arrays(
                [*map(batch.column, names), batch.column(-1).cast(pa.binary())], schema=schema
            )
            for batch in reader
        )
        space.write(0, schema=schema, crs=pyproj.CRS(meta["crs"]).to_json(), batches=batches)
    planned = [Reproject(target="EPSG:4326"), Simplify(tolerance=float(tolerance), unit="target")]
    applied = space.apply(planned, names=[source], on_rows=lambda _: None)
    schema, batches = space.read()
    facts = write_geoparquet(
        Path(target),
        batches,
        schema=schema,
        crs=json.loads(applied.crs),
        bounds=applied.bounds,
        work_dir=work_dir,
        metadata={},
    )
    space.drop()
print(json.dumps({"rows": facts.rows, "seconds": time.perf_counter() - started}))
