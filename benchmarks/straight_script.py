"""What one would write without geoingest: read, check, reproject, write; all in memory, in one thread.

The output has neither `geo` metadata nor a covering nor an order, and nothing is recorded anywhere: this is the floor
that the price of those is measured from.
"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
import shapely

source, target = sys.argv[1:]
meta, table = pyogrio.read_arrow(source)
name = meta["geometry_name"] or "wkb_geometry"
geometries = shapely.from_wkb(table.column(name).to_numpy(zero_copy_only=False))
valid = shapely.is_valid(geometries)
geometries[~valid] = shapely.make_valid(geometries[~valid])
transformer = pyproj.Transformer.from_crs(meta["crs"], "EPSG:4326", always_xy=True)
x, y = shapely.get_coordinates(geometries).T
geometries = shapely.set_coordinates(geometries, np.column_stack(transformer.transform(x, y)))
table = table.drop([name]).append_column("geom", pa.array(shapely.to_wkb(geometries), pa.binary()))
pq.write_table(table, target, compression="zstd")
