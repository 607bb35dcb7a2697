"""Where everything goes: intent to lane, event type to subscriber. The one table of both.

The validator, the planner, the local broker and the chart's triggers come from here or are tested against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from geoingest.errors.manifest import LaneDisabledError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Lane = Literal["vector", "raster", "tabular", "join"]
FileType = Literal["vector", "raster", "tabular"]
Stage = Literal["load", "transform", "export"]
Subscriber = Literal["load", "transform", "export", "operator"]
Execution = Literal["service", "job"]

RUN_REQUESTED: Final = "dev.geoingest.run.requested.v1"
DATASET_LOADED: Final = "dev.geoingest.dataset.loaded.v1"
DATASET_TRANSFORMED: Final = "dev.geoingest.dataset.transformed.v1"
DATASET_EXPORTED: Final = "dev.geoingest.dataset.exported.v1"
RUN_FAILED: Final = "dev.geoingest.run.failed.v1"

STAGES: Final[tuple[Stage, ...]] = ("load", "transform", "export")
EXECUTIONS: Final[tuple[Execution, ...]] = ("service", "job")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What an intent means: `file_type` null takes no files, `recipe` null applies no recipe."""

    lane: Lane
    file_type: FileType | None
    recipe: str | None = None


INTENTS: Final[Mapping[str, Route]] = MappingProxyType(
    {
        "ingest_vector": Route(lane="vector", file_type="vector", recipe="lossless"),
        "ingest_building_footprints": Route(lane="vector", file_type="vector", recipe="building_footprints"),
        "ingest_road_network": Route(lane="vector", file_type="vector", recipe="road_network"),
        "ingest_raster": Route(lane="raster", file_type="raster"),
        "ingest_tabular": Route(lane="tabular", file_type="tabular"),
        "join_datasets": Route(lane="join", file_type=None),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One subscription: events of `type` and `execution` go to `subscriber`; `execution` null takes both."""

    type: str
    subscriber: Subscriber
    execution: Execution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link of the chain: `stage` is started by `takes` and announces its end with `sends`."""

    stage: Stage
    takes: str
    sends: str


CHAIN: Final[tuple[Link, ...]] = (
    Link(stage="load", takes=RUN_REQUESTED, sends=DATASET_LOADED),
    Link(stage="transform", takes=DATASET_LOADED, sends=DATASET_TRANSFORMED),
    Link(stage="export", takes=DATASET_TRANSFORMED, sends=DATASET_EXPORTED),
)
EVENT_TYPES: Final = (RUN_REQUESTED, *(link.sends for link in CHAIN), RUN_FAILED)
TRIGGERS: Final[tuple[Trigger, ...]] = (
    *(
        Trigger(type=link.takes, subscriber=link.stage, execution=execution)
        for link in CHAIN
        for execution in EXECUTIONS
    ),
    Trigger(type=DATASET_EXPORTED, subscriber="operator"),
    Trigger(type=RUN_FAILED, subscriber="operator"),
)


def lane_of(intent: str) -> Lane:
    """The lane of a registered intent. Raises: KeyError for any other, which no valid manifest holds."""
    return INTENTS[intent].lane


def stage_taking(event_type: str) -> Stage | None:
    """The stage an event starts; null when it ends a run."""
    return next((link.stage for link in CHAIN if link.takes == event_type), None)


def subscriber_of(event_type: str, execution: str) -> Subscriber | None:
    """Who takes an event by the trigger table; null when nobody does."""
    matching = (t for t in TRIGGERS if t.type == event_type and t.execution in (None, execution))
    return next((trigger.subscriber for trigger in matching), None)


def refuse_switched_off(lane: Lane, enabled: Collection[str]) -> None:
    """Nothing when `lane` is enabled. Raises: LaneDisabledError."""
    if lane not in enabled:
        raise LaneDisabledError(lane=lane, enabled=enabled)
