"""operator: plans runs (partition, routing, first event), ends them, and cleans up after them. No GDAL."""
