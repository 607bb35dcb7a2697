"""The ledger's smaller documents: dataset (partition), manifest record, lineage edge, activity."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from geoingest.model.asset import AssetKind
from geoingest.model.run import LedgerModel, RunError


class Dataset(LedgerModel):
    """A partition of the lake. `latest_version` is 0 and `kind` null until an asset is available."""

    dataset_id: str
    kind: AssetKind | None = None
    title: str
    latest_version: int = 0
    created_at: datetime
    updated_at: datetime


class ManifestRecord(LedgerModel):
    """A manifest as it was received. `status` is a run's status, or `rejected` when it never ran.

    `content` is the canonical document, or the text as received when it could not be read.
    `path` is where it lay, null when it was made by the command line; `archived_as` where it lies now.
    """

    manifest_id: str
    status: str
    content: dict[str, Any] | str
    path: str | None = None
    archived_as: str | None = None
    run_id: str | None = None
    dataset_id: str | None = None
    uploader: str | None = None
    error: RunError | None = None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None


class LineageEdge(LedgerModel):
    """`target_asset_id` was made from `source_asset_id`, or from files alone when that is null."""

    edge_id: str
    source_asset_id: str | None
    target_asset_id: str
    run_id: str
    transformation: str
    parameters: dict[str, Any]
    created_at: datetime


class Activity(LedgerModel):
    """Who did what to which resource, once per (action, resource_type, resource_id)."""

    activity_id: str
    timestamp: datetime
    user: str
    action: str
    resource_type: str
    resource_id: str
    details: dict[str, Any]
