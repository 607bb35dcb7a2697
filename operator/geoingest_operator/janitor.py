"""The janitor: ends runs that nobody works on any more and removes what they left.

Safe beside live runs: it ends only runs that are not alive, and removes only what belongs to a run that
is over.
"""

from __future__ import annotations

from dataclasses import dataclass

from geoingest.errors.run import RunAbandonedError
from geoingest.model.run import Run, RunError, RunStatus, StageStatus
from geoingest.runtime.liveness import forget_run, is_alive, known_locks
from geoingest.runtime.platform import Platform
from geoingest.stores.ledger.assets import pending_assets
from geoingest.stores.ledger.collections import RUNS
from geoingest.stores.ledger.runs import end_run, get_run
from geoingest_operator.finish import finish_run
from geoingest_operator.schemas import list_schemas


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """The ids of the runs that one pass ended, and of those it cleaned up after."""

    ended: tuple[str, ...]
    cleaned: tuple[str, ...]


def sweep(platform: Platform) -> Swept:
    """One pass over the ledger, the locks of live runs and the scratch space."""
    ended = tuple(run.run_id for run in _abandoned(platform) if _end(platform, run))
    for run_id in known_locks(platform.settings):
        # A process can die before its run is recorded, and after it is over.
        if not _goes_on(platform, run_id):
            forget_run(platform.settings, run_id)
    left = {asset.run_id for asset in pending_assets(platform.documents)}
    left.update(_scratch_folders(platform), list_schemas(platform.settings))
    return Swept(
        ended=ended, cleaned=tuple(run_id for run_id in sorted(left) if finish_run(platform, run_id))
    )


def _abandoned(platform: Platform) -> list[Run]:
    running = platform.documents.find(RUNS.name, {"status": RunStatus.RUNNING})
    return [run for run in map(Run.model_validate, running) if not is_alive(platform.settings, run)]


def _end(platform: Platform, run: Run) -> bool:
    stage = next((name for name, state in run.stages.items() if state.status is StageStatus.RUNNING), None)
    error = RunError.model_validate(RunAbandonedError(run_id=run.run_id).as_dict(stage=stage))
    return end_run(platform.documents, run, status=RunStatus.FAILURE, error=error)


def _goes_on(platform: Platform, run_id: str) -> bool:
    run = get_run(platform.documents, run_id)
    return run is not None and run.status is RunStatus.RUNNING


def _scratch_folders(platform: Platform) -> list[str]:
    scratch = platform.settings.scratch
    return [folder.name for folder in scratch.iterdir()] if scratch.is_dir() else []
