"""export: writes the result into the lake as a new version and commits its record. One module per lane."""

from geoingest.runtime.stage import Stage

STAGE = Stage(name="export", lanes={"vector": "geoingest_export.vector:export"})
