"""Objects in buckets: the port and its adapters."""
