"""A ledger without transactions whose process is killed before any write: nothing wrong is seen, nothing lost."""

from __future__ import annotations

from contextlib import closing

import pytest

from geoingest.model.asset import AssetKind
from geoingest.model.records import LineageEdge
from geoingest.model.run import RunError, RunStatus
from geoingest.stores.ledger.assets import claim_version, commit_asset, pending_assets, remove_pending
from geoingest.stores.ledger.runs import (
    Claim,
    claim_stage,
    end_run,
    fail_stage,
    finish_stage,
    get_run,
    register_run,
)
from geoingest.stores.ledger.settling import settle_run
from ledgers import NOW, CutShort, Killed, open_ledger, planned_run, registered_run

ERROR = RunError(code="X", message="m")
# More than any of the acts below writes; the last cut of each does not happen.
CUTS = range(11)


@pytest.fixture
def documents(tmp_path):
    with closing(open_ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield ledger


@pytest.fixture
def exporting(documents, tmp_path):
    """A run whose first two stages are done."""
    run = registered_run(documents, tmp_path).run
    done = {f"stages.{stage}.status": "done" for stage in ("load", "transform")}
    documents.update("runs", {"run_id": run.run_id}, done)
    return run


def cut(documents, writes, act):
    try:
        act(CutShort(documents, writes))
    except Killed:
        return True
    return False


def export(documents, run, *, lease_s=60, previous=None):
    """One delivery to the export stage, in its ledger writes."""
    claim = claim_stage(
        documents, run_id=run.run_id, stage="export", token="word", holder="h", lease_s=lease_s
    )
    if not isinstance(claim, Claim):
        return claim.reason
    asset = claim_version(
        documents, claim.run, kind=AssetKind.SPATIAL, file_format="geoparquet", extension="parquet"
    )
    edge = LineageEdge(
        edge_id=f"e-{run.run_id}",
        source_asset_id=previous,
        target_asset_id=asset.asset_id,
        run_id=run.run_id,
        transformation="ingest_vector",
        parameters={},
        created_at=NOW,
    )
    measured = asset.model_copy(update={"row_count": 3})

    def commit(ledger, now):
        return commit_asset(ledger, claim.run, measured, [edge], now)

    return finish_stage(documents, claim, result={}, reply="{}", commit=commit)


def assert_whole(documents, run):
    """The run succeeded, and everything says so."""
    ended = get_run(documents, run.run_id)
    assert (ended.status, ended.stages["export"].reply) == (RunStatus.SUCCESS, "{}")
    [asset] = documents.find("assets", {})
    assert (asset["status"], asset["row_count"], asset["asset_id"]) == ("available", 3, ended.asset_id)
    assert [edge["source_asset_id"] for edge in documents.find("lineage", {})] == ["before"]
    assert [d["latest_version"] for d in documents.find("datasets", {})] == [1]
    [manifest] = documents.find("manifests", {})
    assert (manifest["status"], manifest["error"]) == ("success", None)
    assert ends(documents) == ["run_success"]


def assert_gone(documents, run):
    """The run failed, everything says so, and no version of it is left."""
    assert get_run(documents, run.run_id).status is RunStatus.FAILURE
    assert [documents.find(name, {}) for name in ("assets", "lineage")] == [[], []]
    assert [d["latest_version"] for d in documents.find("datasets", {})] == [0]
    [manifest] = documents.find("manifests", {})
    assert (manifest["status"], manifest["error"]["code"]) == ("failure", "X")
    assert ends(documents) == ["run_failure"]


def ends(documents):
    actions = [entry["action"] for entry in documents.find("activity_logs", {})]
    return [action for action in actions if action in {"run_success", "run_failure", "run_canceled"}]


def clean_up(documents, run):
    """What `finish_run` does to the ledger."""
    ended = get_run(documents, run.run_id)
    settle_run(documents, ended)
    for asset in pending_assets(documents, run_id=run.run_id):
        remove_pending(documents, asset)


def assert_nothing_wrong_is_seen(documents, run):
    """A version that readers see has its run's success and its lineage."""
    for asset in documents.find("assets", {"status": "available"}):
        assert get_run(documents, run.run_id).status is RunStatus.SUCCESS
        assert documents.find("lineage", {"target_asset_id": asset["asset_id"]})


@pytest.mark.parametrize("writes", CUTS)
def test_an_export_that_was_cut_short_is_completed_by_the_next_delivery(documents, exporting, writes):
    was_cut = cut(documents, writes, lambda ledger: export(ledger, exporting, lease_s=-1, previous="after"))
    assert was_cut is (writes < CUTS[-1])
    assert_nothing_wrong_is_seen(documents, exporting)
    decided = get_run(documents, exporting.run_id).status is RunStatus.SUCCESS
    assert export(documents, exporting, previous="before") == ("done" if decided else True)
    if decided:
        documents.update("lineage", {}, {"source_asset_id": "before"})
    clean_up(documents, exporting)
    assert_whole(documents, exporting)
    clean_up(documents, exporting)
    assert_whole(documents, exporting)


@pytest.mark.parametrize("writes", CUTS)
def test_an_export_that_nobody_takes_up_again_is_settled_or_taken_back(documents, exporting, writes):
    cut(documents, writes, lambda ledger: export(ledger, exporting, lease_s=-1, previous="before"))
    abandoned = end_run(documents, exporting, status=RunStatus.FAILURE, error=ERROR)
    clean_up(documents, exporting)
    (assert_gone if abandoned else assert_whole)(documents, exporting)


@pytest.mark.parametrize("writes", range(4))
def test_a_failure_that_was_cut_short_is_told_everywhere_after_all(documents, exporting, writes):
    claim = claim_stage(
        documents, run_id=exporting.run_id, stage="export", token="word", holder="h", lease_s=60
    )
    was_cut = cut(documents, writes, lambda ledger: fail_stage(ledger, claim, error=ERROR, reply="f"))
    assert was_cut is (writes < 3)
    end_run(documents, exporting, status=RunStatus.FAILURE, error=ERROR)
    clean_up(documents, exporting)
    assert_gone(documents, exporting)


@pytest.mark.parametrize("writes", range(6))
def test_a_run_whose_registration_was_cut_short_is_registered_by_the_next_try(documents, tmp_path, writes):
    planned = planned_run(tmp_path)

    def register(ledger):
        return register_run(ledger, run=planned.run, manifest=planned.manifest, dataset=planned.dataset)

    assert cut(documents, writes, register) is (writes < 5)
    assert register(documents) == planned.run
    assert [len(documents.find(name, {})) for name in ("datasets", "manifests", "runs")] == [1, 1, 1]
    actions = sorted(entry["action"] for entry in documents.find("activity_logs", {}))
    assert actions == ["create_manifest", "run_started"]


def test_a_manifest_tells_of_the_attempt_that_ended_last(documents, tmp_path):
    first = registered_run(documents, tmp_path).run
    end_run(documents, first, status=RunStatus.FAILURE, error=ERROR)
    second = first.model_copy(update={"run_id": "second", "attempt": 2})
    documents.insert_new("runs", second.model_dump())
    documents.update("runs", {"run_id": first.run_id}, {"completed_at": NOW})
    end_run(documents, second, status=RunStatus.CANCELED, error=ERROR)
    settle_run(documents, get_run(documents, first.run_id))
    assert [manifest["status"] for manifest in documents.find("manifests", {})] == ["canceled"]
