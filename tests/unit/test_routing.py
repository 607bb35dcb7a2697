"""Every intent has a lane, every event a taker, and the chain has no gap."""

from collections import Counter

import pytest

from geoingest.errors.manifest import LaneDisabledError
from geoingest.routing import (
    CHAIN,
    DATASET_EXPORTED,
    DATASET_LOADED,
    DATASET_TRANSFORMED,
    EVENT_TYPES,
    INTENTS,
    RUN_FAILED,
    RUN_REQUESTED,
    STAGES,
    TRIGGERS,
    Trigger,
    lane_of,
    refuse_switched_off,
    stage_taking,
)


def test_every_intent_goes_to_one_lane_that_takes_its_files():
    assert {intent: (lane_of(intent), route.file_type) for intent, route in INTENTS.items()} == {
        "ingest_vector": ("vector", "vector"),
        "ingest_building_footprints": ("vector", "vector"),
        "ingest_road_network": ("vector", "vector"),
        "ingest_raster": ("raster", "raster"),
        "ingest_tabular": ("tabular", "tabular"),
        "join_datasets": ("join", None),
    }


def test_an_unregistered_intent_has_no_lane():
    with pytest.raises(KeyError):
        lane_of("ingest_pointcloud")


def test_every_event_goes_where_the_design_says():
    takers = {(trigger.type, trigger.execution): trigger.subscriber for trigger in TRIGGERS}
    assert takers == {
        (RUN_REQUESTED, "service"): "load",
        (RUN_REQUESTED, "job"): "load",
        (DATASET_LOADED, "service"): "transform",
        (DATASET_LOADED, "job"): "transform",
        (DATASET_TRANSFORMED, "service"): "export",
        (DATASET_TRANSFORMED, "job"): "export",
        (DATASET_EXPORTED, None): "operator",
        (RUN_FAILED, None): "operator",
    }
    assert len(takers) == len(TRIGGERS)


def test_every_event_of_either_execution_has_exactly_one_taker():
    taken = Counter(
        (trigger.type, execution)
        for trigger in TRIGGERS
        for execution in ([trigger.execution] if trigger.execution else ["service", "job"])
    )
    assert taken == Counter((kind, execution) for kind in EVENT_TYPES for execution in ("service", "job"))


def test_each_stage_takes_what_the_one_before_sends():
    assert [link.stage for link in CHAIN] == list(STAGES)
    assert [link.takes for link in CHAIN] == [RUN_REQUESTED, *(link.sends for link in CHAIN[:-1])]
    assert [stage_taking(kind) for kind in EVENT_TYPES] == ["load", "transform", "export", None, None]


def test_a_switched_off_lane_is_refused_with_the_enabled_ones():
    refuse_switched_off("vector", {"vector", "raster"})
    with pytest.raises(LaneDisabledError) as refused:
        refuse_switched_off("join", {"vector", "raster"})
    assert refused.value.code == "LANE_DISABLED"
    assert refused.value.message == "the join lane is switched off here; enabled: raster, vector"


def test_a_trigger_without_execution_takes_both():
    assert Trigger(type=RUN_FAILED, subscriber="operator") in TRIGGERS
