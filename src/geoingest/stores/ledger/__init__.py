"""The ledger: no record, no data."""
