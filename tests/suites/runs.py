"""Claims: of several holders one wins, a lost claim writes nothing, a run ends once."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoingest.errors import TransientError
from geoingest.model.run import RunError, RunStatus, StageStatus
from geoingest.stores.ledger.runs import (
    Claim,
    Refusal,
    claim_stage,
    end_run,
    fail_stage,
    finish_stage,
    get_run,
    register_run,
    release_claim,
    renew_claim,
)
from ledgers import registered_run

ERROR = RunError(code="X", message="m")


def claim(documents, run, stage="load", *, holder="h", lease_s=60.0, token="word"):
    return claim_stage(documents, run_id=run.run_id, stage=stage, token=token, holder=holder, lease_s=lease_s)


def finish(documents, claimed, reply="{}"):
    return finish_stage(documents, claimed, result={}, reply=reply)


def activity(documents):
    return sorted(entry["action"] for entry in documents.find("activity_logs", {}))


# Every example has a run of its own; the ledger is the adapter's.
ONE_LEDGER = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "expire", "renew", "finish", "fail", "release", "cancel"]),
        st.integers(0, 2),
    ),
    max_size=30,
)


class RunsContract:
    """A subclass gives the fixture `documents`: a new ledger, brought up to date."""

    @pytest.fixture
    def run(self, documents, tmp_path):
        return registered_run(documents, tmp_path).run

    def test_registering_twice_keeps_the_first_run_and_one_activity(self, documents, tmp_path, run):
        again = registered_run(documents, tmp_path)
        assert register_run(documents, run=again.run, manifest=again.manifest, dataset=again.dataset) == run
        assert activity(documents) == ["create_manifest", "run_started"]

    def test_a_stage_is_claimed_once_while_its_lease_lasts(self, documents, run):
        assert isinstance(claim(documents, run), Claim)
        assert claim(documents, run, holder="other") == Refusal(reason="busy")

    def test_of_many_claimers_at_once_one_wins(self, documents, run):
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda n: claim(documents, run, holder=str(n)), range(24)))
        assert sum(isinstance(outcome, Claim) for outcome in outcomes) == 1

    def test_an_expired_claim_is_taken_over_and_the_first_holder_can_write_nothing(self, documents, run):
        first = claim(documents, run, lease_s=-1)
        second = claim(documents, run, holder="second")
        assert isinstance(second, Claim)
        assert renew_claim(documents, first, lease_s=60) is False
        assert finish(documents, first, reply="first") is False
        assert fail_stage(documents, first, error=ERROR, reply="first") is False
        release_claim(documents, first, ERROR)
        assert finish(documents, second, reply="second") is True
        load = get_run(documents, run.run_id).stages["load"]
        assert (load.status, load.reply, load.last_error) == (StageStatus.DONE, "second", None)

    def test_a_done_stage_gives_its_recorded_reply_again(self, documents, run):
        finish(documents, claim(documents, run), reply="said")
        assert claim(documents, run) == Refusal(reason="done", reply="said")

    def test_a_released_stage_can_be_claimed_again_and_tells_what_stood_in_the_way(self, documents, run):
        release_claim(documents, claim(documents, run), ERROR)
        assert isinstance(claim(documents, run), Claim)
        state = get_run(documents, run.run_id).stages["load"]
        assert (state.last_error["code"], state.claims) == ("X", 2)

    @pytest.mark.parametrize(
        ("stage", "token"),
        [
            pytest.param("transform", "word", id="a stage before its turn"),
            pytest.param("load", "guess", id="a wrong token"),
        ],
    )
    def test_an_event_that_does_not_fit_the_run_is_ignored(self, documents, run, stage, token):
        assert claim(documents, run, stage, token=token) == Refusal(reason="ignored")

    def test_an_unknown_run_is_ignored(self, documents, run):
        assert claim(documents, run.model_copy(update={"run_id": "0" * 8})) == Refusal(reason="ignored")

    def test_a_failed_stage_ends_run_and_manifest_with_the_reason_once(self, documents, run):
        assert fail_stage(documents, claim(documents, run), error=ERROR, reply="failed")
        ended = get_run(documents, run.run_id)
        assert (ended.status, ended.error, ended.completed_at is not None) == (RunStatus.FAILURE, ERROR, True)
        [record] = documents.find("manifests", {})
        assert (record["status"], record["error"]["code"]) == ("failure", "X")
        assert activity(documents) == ["create_manifest", "run_failure", "run_started"]
        assert end_run(documents, run, status=RunStatus.CANCELED, error=ERROR) is False

    def test_a_canceled_run_takes_the_claim_away_from_its_holder(self, documents, run):
        held = claim(documents, run)
        assert end_run(documents, run, status=RunStatus.CANCELED, error=ERROR)
        assert renew_claim(documents, held, lease_s=60) is False
        assert finish(documents, held) is False
        assert claim(documents, run, "load") == Refusal(reason="ignored")
        assert get_run(documents, run.run_id).status is RunStatus.CANCELED

    @settings(max_examples=60, deadline=None, suppress_health_check=ONE_LEDGER)
    @given(ACTS)
    def test_whatever_three_holders_do_in_whatever_order_a_stage_ends_at_most_once(
        self, documents, tmp_path, acts
    ):
        run = registered_run(documents, tmp_path, uid=uuid.uuid4().hex).run
        held: dict[int, Claim] = {}
        ends = 0
        for act, holder in acts:
            before = get_run(documents, run.run_id)
            if act in ("claim", "expire"):
                outcome = claim(documents, run, holder=str(holder), lease_s=-1 if act == "expire" else 60)
                if isinstance(outcome, Claim):
                    held[holder] = outcome
            elif act == "cancel":
                ends += end_run(documents, run, status=RunStatus.CANCELED, error=ERROR)
            elif holder in held:
                ours = (
                    before.status is RunStatus.RUNNING
                    and before.stages["load"].claim_id == held[holder].claim_id
                )
                ours = ours and before.stages["load"].status is StageStatus.RUNNING
                if act == "renew":
                    assert renew_claim(documents, held[holder], lease_s=60) is ours
                elif act == "finish":
                    assert finish(documents, held[holder]) is ours
                elif act == "fail":
                    assert fail_stage(documents, held[holder], error=ERROR, reply="f") is ours
                    ends += ours
                else:
                    release_claim(documents, held[holder], ERROR)
        after = get_run(documents, run.run_id)
        assert ends <= 1
        assert (after.status is RunStatus.RUNNING) == (ends == 0)
        assert (after.completed_at is None) == (ends == 0)


class RunTransactionsContract:
    """What a ledger with transactions does besides."""

    def test_a_commit_that_fails_leaves_the_stage_unfinished(self, documents, tmp_path):
        run = registered_run(documents, tmp_path).run

        def commit(ledger, now):
            ledger.insert_new(
                "datasets", {"dataset_id": "d", "title": "", "created_at": now, "updated_at": now}
            )
            raise RuntimeError

        with pytest.raises(RuntimeError):
            finish_stage(documents, claim(documents, run), result={}, reply="{}", commit=commit)
        assert documents.find("datasets", {"dataset_id": "d"}) == []
        assert get_run(documents, run.run_id).stages["load"].status is StageStatus.RUNNING

    def test_a_heart_that_beats_without_a_pause_does_not_keep_a_stage_from_ending(self, documents, tmp_path):
        held = claim(documents, registered_run(documents, tmp_path).run)
        beating, stop = threading.Event(), threading.Event()

        def beat():
            while not stop.is_set():
                with suppress(TransientError):
                    renew_claim(documents, held, lease_s=60)
                beating.set()

        def commit(ledger, now):
            time.sleep(0.05)
            return {"warnings": ["committed"]}

        heart = threading.Thread(target=beat)
        heart.start()
        beating.wait(10)
        try:
            assert finish_stage(documents, held, result={}, reply="{}", commit=commit) is True
        finally:
            stop.set()
            heart.join()
        ended = get_run(documents, held.run.run_id)
        assert (ended.stages["load"].status, ended.warnings) == (StageStatus.DONE, ("committed",))
