"""The words of geoingest as pydantic models: manifest, ingest, run, asset, lineage, activity. No I/O."""
