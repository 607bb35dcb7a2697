"""Every collection of the ledger with its key and its indexes, declared in this one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Index:
    """An index over dotted paths; unique indexes are what claims rest on."""

    fields: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection whose documents are identified by the field `key`."""

    name: str
    key: str
    indexes: tuple[Index, ...] = ()


DATASETS = Collection("datasets", "dataset_id")
MANIFESTS = Collection("manifests", "manifest_id", (Index(("status",)),))
RUNS = Collection("runs", "run_id", (Index(("dataset_id", "created_at")), Index(("status", "updated_at"))))
ASSETS = Collection(
    "assets",
    "asset_id",
    (Index(("dataset_id", "version"), unique=True), Index(("run_id",), unique=True)),
)
LINEAGE = Collection("lineage", "edge_id", (Index(("target_asset_id",)), Index(("source_asset_id",))))
ACTIVITY = Collection(
    "activity_logs",
    "activity_id",
    (Index(("action", "resource_type", "resource_id"), unique=True), Index(("timestamp",))),
)
MIGRATIONS = Collection("schema_migrations", "number")

COLLECTIONS = {c.name: c for c in (DATASETS, MANIFESTS, RUNS, ASSETS, LINEAGE, ACTIVITY, MIGRATIONS)}
