"""Finishing, dead letters and the janitor: nothing of a run that is over stays, nothing of a live one goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from geoingest.model.asset import AssetKind
from geoingest.model.run import RunError, RunStatus
from geoingest.runtime.liveness import hold_run, is_alive
from geoingest.runtime.platform import Platform
from geoingest.settings import Settings
from geoingest.stores.ledger.assets import claim_version
from geoingest.stores.ledger.runs import claim_stage, end_run, get_run, release_claim
from geoingest.stores.objects.directory import DirectoryObjects
from geoingest_operator.finish import finish_run, take_dead_letter
from geoingest_operator.janitor import Swept, sweep
from ledgers import open_ledger, registered_run


@pytest.fixture
def platform(tmp_path):
    documents = open_ledger(tmp_path / "ledger" / "ledger.sqlite")
    yield Platform(
        settings=Settings(home=tmp_path),
        documents=documents,
        objects=DirectoryObjects(tmp_path),
        holder="test",
    )
    documents.close()


def leave_traces(platform, planned):
    """What a run that is cut short leaves: scratch, a claimed version, its uploaded object."""
    scratch = platform.settings.scratch / planned.run.run_id
    scratch.mkdir(parents=True)
    (scratch / "loaded-0.arrow").write_text("x")
    asset = claim_version(
        platform.documents, planned.run, kind=AssetKind.SPATIAL, file_format="geoparquet", extension="parquet"
    )
    upload = platform.settings.home / "upload"
    upload.write_text("half")
    platform.objects.put("data-lake", asset.s3_key, upload, content_type="x")


def traces(platform):
    lake = [info.key for info in platform.objects.list("data-lake", "")]
    scratch = platform.settings.scratch
    folders = [folder.name for folder in scratch.iterdir()] if scratch.is_dir() else []
    return lake, folders, platform.documents.find("assets", {})


def fail(platform, planned):
    end_run(platform.documents, planned.run, status=RunStatus.FAILURE, error=RunError(code="X", message="m"))


def silence(platform, planned):
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    platform.documents.update("runs", {"run_id": planned.run.run_id}, {"updated_at": long_ago})


def test_finishing_a_failed_run_removes_its_scratch_object_and_claim(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    leave_traces(platform, planned)
    fail(platform, planned)
    assert finish_run(platform, planned.run.run_id)
    assert traces(platform) == ([], [], [])
    assert finish_run(platform, planned.run.run_id)


def test_a_run_that_goes_on_is_not_finished_and_not_swept(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    leave_traces(platform, planned)
    before = traces(platform)
    with hold_run(platform.settings, planned.run.run_id):
        silence(platform, planned)
        assert finish_run(platform, planned.run.run_id) is False
        assert sweep(platform) == Swept(ended=(), cleaned=())
    assert traces(platform) == before


def test_the_janitor_ends_a_run_whose_process_was_killed_at_once(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    leave_traces(platform, planned)
    script = (
        "import sys, time; from pathlib import Path; from geoingest.settings import Settings;"
        "from geoingest.runtime.liveness import hold_run\n"
        "with hold_run(Settings(home=Path(sys.argv[1])), sys.argv[2]): print('held', flush=True); time.sleep(60)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-c", script, str(tmp_path), planned.run.run_id]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"held\n"
        assert sweep(platform) == Swept(ended=(), cleaned=())
        process.send_signal(signal.SIGKILL)
    assert sweep(platform) == Swept(ended=(planned.run.run_id,), cleaned=(planned.run.run_id,))
    assert traces(platform) == ([], [], [])
    assert get_run(platform.documents, planned.run.run_id).error.code == "RUN_ABANDONED"
    assert list((tmp_path / "ledger" / "live").iterdir()) == []


def test_a_run_of_function_servers_is_abandoned_only_after_long_silence(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    platform.documents.update("runs", {}, {"updated_at": datetime.now(UTC)})
    assert is_alive(platform.settings, get_run(platform.documents, planned.run.run_id))
    silence(platform, planned)
    assert sweep(platform).ended == (planned.run.run_id,)


def test_a_dead_letter_fails_the_run_with_what_last_stood_in_the_way(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    leave_traces(platform, planned)
    claim = claim_stage(
        platform.documents, run_id=planned.run.run_id, stage="load", token="word", holder="h", lease_s=60
    )
    release_claim(platform.documents, claim, RunError(code="STORE_UNAVAILABLE", message="away", stage="load"))
    take_dead_letter(platform, planned.event, has_outbox=False)
    run = get_run(platform.documents, planned.run.run_id)
    assert (run.status, run.error.code) == (RunStatus.FAILURE, "STORE_UNAVAILABLE")
    assert traces(platform) == ([], [], [])


def test_a_dead_letter_after_a_defect_says_only_the_stable_code(platform, tmp_path):
    planned = registered_run(platform.documents, tmp_path)
    claim = claim_stage(
        platform.documents, run_id=planned.run.run_id, stage="load", token="word", holder="h", lease_s=60
    )
    release_claim(platform.documents, claim, RunError(code="INTERNAL", message="ZeroDivisionError"))
    take_dead_letter(platform, planned.event, has_outbox=False)
    error = get_run(platform.documents, planned.run.run_id).error
    assert (error.code, "ZeroDivision" in error.message) == ("DELIVERY_EXHAUSTED", False)
