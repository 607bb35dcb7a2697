"""What follows the last event of a run: what it left behind goes, and what could not be delivered is said."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

from geoingest.errors.run import DeliveryExhaustedError
from geoingest.events import Event
from geoingest.model.asset import Asset
from geoingest.model.run import RunError, RunStatus, StageState, StageStatus
from geoingest.routing import stage_taking
from geoingest.runtime.platform import Platform
from geoingest.stores.ledger.assets import pending_assets, remove_pending
from geoingest.stores.ledger.runs import end_run, get_run
from geoingest.stores.ledger.settling import settle_run
from geoingest_operator.schemas import drop_schema

# A stage that was begun this often and never ended takes its server down with it.
MOST_CLAIMS = 5


def finish_run(platform: Platform, run_id: str) -> bool:
    """Settle a run that is over, and remove what it left: transient space, and a version it claimed in vain.

    Returns: whether nothing is left. False, and nothing removed, while the run goes on or when there is none; false
    also when its schema could not be dropped. Right to call any number of times. The objects of a version go
    before the record that tells of them.
    """
    run = get_run(platform.documents, run_id)
    if run is None or run.status is RunStatus.RUNNING:
        return False
    settle_run(platform.documents, run)
    shutil.rmtree(platform.settings.scratch / run_id, ignore_errors=True)
    for asset in pending_assets(platform.documents, run_id=run_id):
        _remove_version(platform, asset)
    return run.engine != "postgis" or drop_schema(platform.settings, run_id)


def _remove_version(platform: Platform, asset: Asset) -> None:
    folder = asset.s3_key.rpartition("/")[0]
    for item in list(platform.objects.list(platform.settings.lake_bucket, f"{folder}/")):
        platform.objects.delete(item.bucket, item.key)
    remove_pending(platform.documents, asset)


def _is_held(state: StageState) -> bool:
    # A stage that kills its server each time also looks held until its lease runs out: that is not waited for for ever.
    leased = state.expires_at is not None and state.expires_at > datetime.now(UTC)
    return state.status is StageStatus.RUNNING and leased and state.claims < MOST_CLAIMS


def take_dead_letter(platform: Platform, event: Event, *, has_outbox: bool) -> None:
    """End the run whose event could not be delivered, with what the stage last said stood in its way.

    Args: has_outbox: somebody sends again what a silent run waits for. Nothing happens then while the event may
        still do its work: the stage is done and only its answer was lost, or a busy holder is at it.
    """
    run = get_run(platform.documents, event.data.run_id)
    stage = stage_taking(event.type)
    if run is None or stage is None or run.token != event.data.token:
        return
    state = run.stages[stage]
    if has_outbox and (state.status is StageStatus.DONE or _is_held(state)):
        return
    told = state.last_error
    exhausted = DeliveryExhaustedError(stage=stage, deliveries=state.claims)
    # A defect's own words mean nothing to a user: they get the stable code and the way to the log.
    known = told is not None and told["code"] != "INTERNAL"
    reason = told if known else exhausted.as_dict(stage=stage)
    end_run(platform.documents, run, status=RunStatus.FAILURE, error=RunError.model_validate(reason))
    finish_run(platform, run.run_id)
