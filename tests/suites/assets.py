"""Versions: one per run, consecutive, of one kind; visible only when committed, with everything that belongs to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from geoingest.errors.run import DatasetKindDiffersError
from geoingest.model.asset import AssetKind, AssetStatus
from geoingest.model.records import LineageEdge
from geoingest.model.run import RunStatus
from geoingest.stores.ledger.assets import (
    claim_version,
    commit_asset,
    pending_assets,
    previous_asset,
    remove_pending,
)
from geoingest.stores.ledger.runs import claim_stage, finish_stage, get_run
from ledgers import NOW, registered_run


def claim(documents, run, kind=AssetKind.SPATIAL):
    return claim_version(documents, run, kind=kind, file_format="geoparquet", extension="parquet")


def commit(documents, run, asset):
    """End the run's export with the asset; the earlier stages are taken as done."""
    for stage in ("load", "transform"):
        documents.update("runs", {"run_id": run.run_id}, {f"stages.{stage}.status": "done"})
    claim = claim_stage(documents, run_id=run.run_id, stage="export", token="word", holder="h", lease_s=60)
    edge = LineageEdge(
        edge_id=f"e-{asset.asset_id}",
        source_asset_id=None,
        target_asset_id=asset.asset_id,
        run_id=run.run_id,
        transformation="ingest_vector",
        parameters={},
        created_at=NOW,
    )
    measured = asset.model_copy(update={"row_count": 3})
    return finish_stage(
        documents,
        claim,
        result={},
        reply="{}",
        commit=lambda ledger, now: commit_asset(ledger, run, measured, [edge], now),
    )


class AssetsContract:
    """A subclass gives the fixture `documents`: a new ledger, brought up to date."""

    def test_a_run_claims_one_version_however_often_it_asks(self, documents, tmp_path):
        run = registered_run(documents, tmp_path).run
        first = claim(documents, run)
        assert (first.version, first.s3_key, first.status) == (
            1,
            "roads/v1/data.parquet",
            AssetStatus.PENDING,
        )
        assert claim(documents, run) == first

    def test_concurrent_runs_of_one_dataset_get_consecutive_versions(self, documents, tmp_path):
        runs = [registered_run(documents, tmp_path, uid=f"u{n}").run for n in range(12)]
        with ThreadPoolExecutor(6) as pool:
            assets = list(pool.map(lambda run: claim(documents, run), runs))
        assert sorted(asset.version for asset in assets) == list(range(1, 13))

    def test_a_dataset_keeps_its_kind(self, documents, tmp_path):
        claim(documents, registered_run(documents, tmp_path, uid="u1").run)
        with pytest.raises(
            DatasetKindDiffersError, match="holds spatial assets, this run would add a tabular one"
        ):
            claim(documents, registered_run(documents, tmp_path, uid="u2").run, AssetKind.TABULAR)

    def test_a_commit_shows_asset_lineage_dataset_manifest_and_activity_together(self, documents, tmp_path):
        run = registered_run(documents, tmp_path).run
        asset = claim(documents, run)
        assert commit(documents, run, asset)
        ended = get_run(documents, run.run_id)
        assert (ended.status, ended.asset_id) == (RunStatus.SUCCESS, asset.asset_id)
        [stored] = documents.find("assets", {})
        assert (stored["status"], stored["row_count"]) == ("available", 3)
        assert [edge["target_asset_id"] for edge in documents.find("lineage", {})] == [asset.asset_id]
        [dataset] = documents.find("datasets", {})
        assert (dataset["latest_version"], dataset["kind"]) == (1, "spatial")
        assert documents.find("manifests", {})[0]["status"] == "success"
        assert [
            a["details"]["version"] for a in documents.find("activity_logs", {"action": "run_success"})
        ] == [1]

    def test_an_older_version_committed_late_does_not_become_the_latest(self, documents, tmp_path):
        older, newer = (registered_run(documents, tmp_path, uid=uid).run for uid in ("u1", "u2"))
        assets = [claim(documents, older), claim(documents, newer)]
        commit(documents, newer, assets[1])
        commit(documents, older, assets[0])
        assert documents.find("datasets", {})[0]["latest_version"] == 2
        assert previous_asset(documents, assets[1]).version == 1

    def test_a_version_given_back_is_taken_by_the_next_run(self, documents, tmp_path):
        first = claim(documents, registered_run(documents, tmp_path, uid="u1").run)
        assert pending_assets(documents) == [first]
        remove_pending(documents, first)
        assert claim(documents, registered_run(documents, tmp_path, uid="u2").run).version == 1

    def test_an_available_asset_is_never_given_back(self, documents, tmp_path):
        run = registered_run(documents, tmp_path).run
        asset = claim(documents, run)
        commit(documents, run, asset)
        remove_pending(documents, asset)
        assert len(documents.find("assets", {})) == 1
