"""Recipes are lossless unless someone asks for a loss, and say what they do in order."""

import pytest
from pydantic import ValidationError

from geoingest.recipes import (
    NAMED_RECIPES,
    Linearise,
    Recipe,
    Repair,
    Reproject,
    Simplify,
    SimplifyOptions,
    recipe_for,
    steps,
)
from geoingest.routing import INTENTS

LOSSLESS = (Linearise(max_angle_degrees=4.0), Reproject(target="EPSG:4326"), Repair(policy="repair"))


@pytest.mark.parametrize("name", NAMED_RECIPES)
def test_every_named_recipe_is_lossless(name):
    assert steps(NAMED_RECIPES[name]) == LOSSLESS


def test_exactly_the_vector_intents_have_a_recipe_and_every_recipe_an_intent():
    assert {intent for intent in INTENTS if recipe_for(intent) is not None} == {
        "ingest_vector",
        "ingest_building_footprints",
        "ingest_road_network",
    }
    assert {route.recipe for route in INTENTS.values()} - {None} == set(NAMED_RECIPES)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        pytest.param(
            Recipe(target_crs="keep"),
            (Linearise(), Repair(policy="repair")),
            id="keep reprojects nothing",
        ),
        pytest.param(
            Recipe(target_crs="epsg:25832", invalid_geometry="reject"),
            (Linearise(), Reproject(target="EPSG:25832"), Repair(policy="reject")),
            id="another CRS, reject",
        ),
        pytest.param(
            Recipe(simplify=SimplifyOptions(tolerance=0.5)),
            (*LOSSLESS, Simplify(tolerance=0.5, unit="target")),
            id="simplify comes last, in the unit of the target",
        ),
    ],
)
def test_a_recipe_is_its_steps_in_order(recipe, expected):
    assert steps(recipe) == expected


def test_lineage_gets_the_name_and_parameters_of_every_step():
    recipe = Recipe(target_crs="EPSG:3857", simplify=SimplifyOptions(tolerance=2.0))
    assert [(step.name, step.parameters()) for step in steps(recipe)] == [
        ("linearise", {"max_angle_degrees": 4.0}),
        ("reproject", {"target": "EPSG:3857"}),
        ("repair", {"policy": "repair"}),
        ("simplify", {"tolerance": 2.0, "unit": "target"}),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"target_crs": "4326"},
        {"target_crs": "EPSG:4326 +init"},
        {"target_crs": None},
        {"invalid_geometry": "quarantine"},
        {"allow_missing_fields": 1},
        {"simplify": {"tolerance": 0.0}},
        {"simplify": {"tolerance": -1.0}},
        {"simplify": {"tolerance": float("inf")}},
        {"simplify": {"tolerance": float("nan")}},
        {"simplify": {"tolerance": "1"}},
        {"simplify": {"tolerance": 1.0, "unit": "metres"}},
        {"simplify": {}},
        {"smooth": True},
    ],
    ids=str,
)
def test_a_recipe_takes_only_what_is_implemented(fields):
    with pytest.raises(ValidationError):
        Recipe.model_validate(fields)
