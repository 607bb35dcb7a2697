"""transform: applies the run's recipe in its transient space. One module per lane."""

from geoingest.runtime.stage import Stage

STAGE = Stage(name="transform", lanes={"vector": "geoingest_transform.vector:transform"})
