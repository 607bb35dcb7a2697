"""geoingest: raw geodata files become versioned, catalogued GeoParquet, COG and Parquet."""

__version__ = "0.1.0"
