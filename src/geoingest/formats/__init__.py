"""File formats: what bytes mean. Reads and writes files given by path, knows no store, ledger or run."""
