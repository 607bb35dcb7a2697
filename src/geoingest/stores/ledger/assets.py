"""Assets in the ledger: claiming a version, committing it with its lineage, taking back a claim.

A version is claimed as a `pending` asset before its object is uploaded, so that an object in the lake
always has a record; it becomes visible by one flip to `available`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from geoingest.errors.run import DatasetKindDiffersError, LedgerUnavailableError
from geoingest.model.asset import Asset, AssetKind, AssetStatus
from geoingest.model.records import LineageEdge
from geoingest.model.run import Run, RunStatus
from geoingest.naming import asset_key
from geoingest.stores.ledger.activity import record_activity
from geoingest.stores.ledger.collections import ASSETS, DATASETS, LINEAGE, MANIFESTS
from geoingest.stores.ledger.documents import Documents

# Each try loses only against another run that won its version; more in a row means a broken ledger.
CLAIM_TRIES = 1000


def claim_version(
    documents: Documents, run: Run, *, kind: AssetKind, file_format: str, extension: str
) -> Asset:
    """The run's pending asset: the one it claimed before, or a new one with the dataset's next version.

    Raises: DatasetKindDiffersError: the dataset holds assets of another kind.
    """
    for _ in range(CLAIM_TRIES):
        own = documents.find(ASSETS.name, {"run_id": run.run_id}, limit=1)
        if own:
            return Asset.model_validate(own[0])
        latest = documents.find(ASSETS.name, {"dataset_id": run.dataset_id}, sort=[("version", -1)], limit=1)
        if latest and latest[0]["kind"] != kind:
            raise DatasetKindDiffersError(dataset_id=run.dataset_id, kind=kind, existing=latest[0]["kind"])
        version = latest[0]["version"] + 1 if latest else 1
        now = datetime.now(UTC)
        asset = Asset(
            asset_id=str(uuid.uuid5(uuid.UUID(run.run_id), "asset")),
            dataset_id=run.dataset_id,
            version=version,
            run_id=run.run_id,
            status=AssetStatus.PENDING,
            kind=kind,
            format=file_format,
            s3_key=asset_key(run.dataset_id, version, extension),
            created_at=now,
            updated_at=now,
        )
        if documents.insert_new(ASSETS.name, asset.model_dump()):
            return asset
    raise LedgerUnavailableError(ledger="assets", reason=f"no version of {run.dataset_id} could be claimed")


def previous_asset(documents: Documents, asset: Asset) -> Asset | None:
    """The latest available version of the dataset before `asset`; null for a first one."""
    earlier = {
        "dataset_id": asset.dataset_id,
        "status": AssetStatus.AVAILABLE,
        "version": {"$lt": asset.version},
    }
    found = documents.find(ASSETS.name, earlier, sort=[("version", -1)], limit=1)
    return Asset.model_validate(found[0]) if found else None


def commit_asset(
    documents: Documents, run: Run, asset: Asset, edges: Sequence[LineageEdge], now: datetime
) -> dict[str, Any]:
    """Make the asset available with its lineage, and return the run's values that say so.

    Belongs inside the transaction that ends the export stage. The lineage is written before the flip.
    """
    for edge in edges:
        documents.insert_new(LINEAGE.name, edge.model_dump())
    values = asset.model_copy(update={"status": AssetStatus.AVAILABLE, "updated_at": now}).model_dump()
    documents.update(ASSETS.name, {"asset_id": asset.asset_id}, values)
    newer = {"dataset_id": asset.dataset_id, "latest_version": {"$lt": asset.version}}
    documents.update(
        DATASETS.name, newer, {"latest_version": asset.version, "kind": asset.kind, "updated_at": now}
    )
    ended = {"status": RunStatus.SUCCESS, "error": None, "completed_at": now, "updated_at": now}
    documents.update(MANIFESTS.name, {"manifest_id": run.manifest_id}, ended)
    record_activity(
        documents,
        user=run.operator,
        action="run_success",
        resource=("run", run.run_id),
        details={"asset_id": asset.asset_id, "dataset_id": asset.dataset_id, "version": asset.version},
    )
    return ended | {"asset_id": asset.asset_id}


def pending_assets(documents: Documents, *, run_id: str | None = None) -> list[Asset]:
    """Every version that is claimed but not available, of one run or of all."""
    of_run = {} if run_id is None else {"run_id": run_id}
    return [
        Asset.model_validate(a) for a in documents.find(ASSETS.name, {"status": AssetStatus.PENDING} | of_run)
    ]


def remove_pending(documents: Documents, asset: Asset) -> None:
    """Give back a version that will never be available; its objects must be gone before."""
    documents.delete(ASSETS.name, {"asset_id": asset.asset_id, "status": AssetStatus.PENDING})
