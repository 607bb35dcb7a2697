from dataclasses import dataclass
import pyarrow as pa
from geoingest.formats.headers import rename_attributes
@dataclass
class Merged:
    schema: pa.Schema
    renamed: list
    def conform(self, n, batch):
        return pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)
def merge_schemas(layers, allow_missing_fields=False):
    s = layers[0].schema
    ren = rename_attributes(s.names)
    return Merged(pa.schema([f.with_name(n) for f,(o,n) in zip(s, ren)]+[pa.field("geom", pa.binary())]), ren)
