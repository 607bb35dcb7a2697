"""Settling an ended run: the other collections are made to say what the run document says.

A run ends by one write to its run document; everything else follows from that document. Where the server has
transactions, all of it is one. Where it has none (a MongoDB that is no replica set), the order is:

1. the lease is looked at once more, the measured values go into the version that is still `pending`, and
   the lineage is written: cut here, the next try writes them again, and a failed run's are removed;
2. one compare-and-set ends stage and run, naming the asset: this decides, and of several one wins;
3. version, dataset, manifest and activity are settled: cut here, `finish_run` settles again, which happens after
   the run's last event, after its event's repetition, and from the janitor.

Meanwhile a reader may see a successful run whose version is not listed yet, a manifest that still says
`running`, or lineage to a version that is not available; never a version without its lineage or its run.
"""

from __future__ import annotations

from typing import Any

from geoingest.model.asset import Asset, AssetStatus
from geoingest.model.run import Run, RunStatus
from geoingest.stores.ledger.activity import record_activity
from geoingest.stores.ledger.collections import ASSETS, DATASETS, MANIFESTS
from geoingest.stores.ledger.documents import Documents


def settle_run(documents: Documents, run: Run) -> None:
    """Show the ended run's version, close its manifest and log its end; right any number of times.

    Nothing happens for a run that goes on.
    """
    if run.status is RunStatus.RUNNING:
        return
    details: dict[str, Any] = {}
    if run.status is RunStatus.SUCCESS:
        details = _show_version(documents, run)
    elif run.error is not None:
        details = {"code": run.error.code, "message": run.error.message, "stage": run.error.stage}
    _close_manifest(documents, run)
    record_activity(
        documents,
        user=run.operator,
        action=f"run_{run.status}",
        resource=("run", run.run_id),
        details=details,
    )


def _show_version(documents: Documents, run: Run) -> dict[str, Any]:
    [document] = documents.find(ASSETS.name, {"asset_id": run.asset_id}, limit=1)
    asset = Asset.model_validate(document)
    pending = {"asset_id": asset.asset_id, "status": AssetStatus.PENDING}
    shown = {"status": AssetStatus.AVAILABLE, "updated_at": run.completed_at}
    documents.update(ASSETS.name, pending, shown)
    older = {"dataset_id": asset.dataset_id, "latest_version": {"$lt": asset.version}}
    latest = {"latest_version": asset.version, "kind": asset.kind, "updated_at": run.completed_at}
    documents.update(DATASETS.name, older, latest)
    return {"asset_id": asset.asset_id, "dataset_id": asset.dataset_id, "version": asset.version}


def _close_manifest(documents: Documents, run: Run) -> None:
    # Attempts of one ingest share its manifest record: it tells of the one that ended last.
    earlier = [{"completed_at": None}, {"completed_at": {"$lt": run.completed_at}}]
    ended = {
        "status": run.status,
        "error": run.error.model_dump(mode="json") if run.error else None,
        "completed_at": run.completed_at,
        "updated_at": run.completed_at,
    }
    documents.update(MANIFESTS.name, {"manifest_id": run.manifest_id, "$or": earlier}, ended)
