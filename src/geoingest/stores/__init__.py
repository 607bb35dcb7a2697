"""Stores: objects (landing, lake, scratch) and the ledger. Ports first, then one module per adapter."""
