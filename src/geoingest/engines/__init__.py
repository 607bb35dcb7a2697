"""Engines: where a vector run's transient table lives while its recipe is applied."""
