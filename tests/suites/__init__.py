"""Contracts: what every adapter of a port must do, as classes that each adapter's tests inherit."""
