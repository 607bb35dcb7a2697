"""The run: what was planned, how far each stage came, how it ended. The run document is the truth.

Read and written by every deployable; an event only says which run and which stage to look at.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

STAGES = ("load", "transform", "export")


class RunStatus(StrEnum):
    """How a run stands; every status but `running` is terminal."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    CANCELED = "canceled"


class StageStatus(StrEnum):
    """How a stage of a run stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class LedgerModel(BaseModel):
    """A document of the ledger: closed, so that a typo is an error and not a new field."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceMember(LedgerModel):
    """One object of a source: the file itself or a sidecar, pinned by ETag when the run was planned."""

    path: str
    etag: str
    size_bytes: int


class Source(LedgerModel):
    """One file of the manifest as planned.

    `members` holds every object that belongs to it: one for a plain file, several for a Shapefile with
    its sidecars or a File Geodatabase folder. `crs` null: the data's own; `layer` null: the only one.
    """

    path: str
    type: str
    format: str
    members: tuple[SourceMember, ...]
    layer: str | None = None
    crs: str | None = None
    force_crs: bool = False
    encoding: str | None = None


class Plan(LedgerModel):
    """What the run will do, fixed before its first event: a pure function of the ingest and facts."""

    sources: tuple[Source, ...]
    recipe: dict[str, Any]
    deadline_at: datetime | None = None


class StageState(LedgerModel):
    """One stage's claim, result and recorded reply.

    `claim_id` and `expires_at` describe the lease of the present holder; null when nobody holds it.
    `reply` is the event that was answered, as JSON text, given again on a repeated delivery. `last_error` is the
    trouble of the latest try that did not end the run.
    """

    status: StageStatus = StageStatus.WAITING
    claim_id: str | None = None
    holder: str | None = None
    expires_at: datetime | None = None
    claims: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: dict[str, Any] | None = None
    reply: str | None = None
    last_error: dict[str, Any] | None = None

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of the try that ended the stage; 0.0 while it has not ended."""
        if self.started_at is None or self.finished_at is None:
            return 0.0
        return (self.finished_at - self.started_at).total_seconds()


class RunError(LedgerModel):
    """Why a run failed: the stable code, what and where, how to mend it."""

    code: str
    message: str
    hint: str = ""
    stage: str | None = None
    problems: tuple[dict[str, str], ...] = ()


class Run(LedgerModel):
    """One attempt of one ingest.

    `token` is known to the planner and carried by the run's events: an event with another one is ignored.
    `error` is null unless `status` is failure or canceled. `asset_id` is set when an asset is available.
    """

    run_id: str
    namespace: str
    name: str
    uid: str
    attempt: int
    dataset_id: str
    manifest_id: str
    intent: str
    lane: str
    execution: Literal["service", "job"]
    engine: str
    token: str
    operator: str
    source: str
    testing: bool | None = None
    status: RunStatus = RunStatus.RUNNING
    plan: Plan
    stages: dict[str, StageState]
    warnings: tuple[str, ...] = ()
    error: RunError | None = None
    asset_id: str | None = None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None
