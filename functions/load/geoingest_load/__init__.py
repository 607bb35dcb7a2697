"""load: reads a run's sources into its transient space. One module per lane."""

from geoingest.runtime.stage import Stage

STAGE = Stage(name="load", lanes={"vector": "geoingest_load.vector:load"})
