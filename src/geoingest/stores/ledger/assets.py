"""Assets in the ledger: claiming a version, committing it with its lineage, taking back a claim.

A version is claimed as a `pending` asset before its object is uploaded, so that an object in the lake
always has a record; it becomes visible by one flip to `available`, once its run says that it succeeded.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from geoingest.errors.run import DatasetKindDiffersError, LedgerUnavailableError
from geoingest.model.asset import Asset, AssetKind, AssetStatus
from geoingest.model.records import LineageEdge
from geoingest.model.run import Run, RunStatus
from geoingest.naming import asset_key
from geoingest.stores.ledger.clock import ledger_now
from geoingest.stores.ledger.collections import ASSETS, LINEAGE
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
        now = ledger_now()
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
    """Write what was measured into the run's pending asset, and its lineage; the run's values that end it.

    Belongs inside `finish_stage`. Nothing is visible before the run says so: `settle_run` does the flip.
    """
    for edge in edges:
        if not documents.insert_new(LINEAGE.name, edge.model_dump()):
            # An earlier try was cut short; the version before may be another one by now.
            documents.update(LINEAGE.name, {"edge_id": edge.edge_id}, edge.model_dump())
    pending = {"asset_id": asset.asset_id, "run_id": run.run_id, "status": AssetStatus.PENDING}
    values = asset.model_copy(update={"status": AssetStatus.PENDING, "updated_at": now}).model_dump()
    documents.update(ASSETS.name, pending, values)
    return {
        "status": RunStatus.SUCCESS,
        "error": None,
        "asset_id": asset.asset_id,
        "completed_at": now,
        "updated_at": now,
    }


def pending_assets(documents: Documents, *, run_id: str | None = None) -> list[Asset]:
    """Every version that is claimed but not available, of one run or of all."""
    of_run = {} if run_id is None else {"run_id": run_id}
    return [
        Asset.model_validate(a) for a in documents.find(ASSETS.name, {"status": AssetStatus.PENDING} | of_run)
    ]


def remove_pending(documents: Documents, asset: Asset) -> None:
    """Give back a version that will never be available, with its lineage; its objects must be gone before."""
    pending = {"asset_id": asset.asset_id, "status": AssetStatus.PENDING}

    def remove() -> None:
        if documents.find(ASSETS.name, pending, limit=1):
            documents.delete(LINEAGE.name, {"target_asset_id": asset.asset_id})
            documents.delete(ASSETS.name, pending)

    documents.transact(remove)
