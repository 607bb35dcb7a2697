"""The recipe's steps over the loaded table."""

from __future__ import annotations

from dataclasses import asdict

from geoingest.formats.crs import crs_name, resolve_crs
from geoingest.recipes import PromoteMulti, Recipe, Step, steps
from geoingest.runtime.faults import reached
from geoingest.runtime.stage import StageResult, Task, library_versions

# ISO WKB codes; a multi type is its single one and MULTI_OFFSET.
POINT, LINESTRING, POLYGON, MULTI_OFFSET = 1, 2, 3, 3


def transform(task: Task) -> StageResult:
    """Apply the plan's recipe. Facts: rows, crs (PROJJSON), bounds, types (WKB codes), steps with effects, repaired."""
    loaded = task.run.stages["load"].result or {}
    parts = loaded["parts"]
    recipe = Recipe.model_validate(task.run.plan.recipe)
    space = task.space()
    reached("transform.apply.before")
    applied = space.apply(
        plan_steps(recipe, [part["types"] for part in parts]),
        names=[part["name"] for part in parts],
        on_rows=lambda done: task.on_rows(done, loaded["rows"]),
    )
    reached("transform.apply.after")
    facts = {
        "rows": applied.rows,
        "crs": applied.crs,
        "crs_name": crs_name(resolve_crs(applied.crs)),
        "bounds": applied.bounds,
        "types": applied.types,
        "steps": [asdict(effect) for effect in applied.effects],
        "repaired_rows": applied.repaired_rows,
        "libraries": library_versions("shapely", "pyproj", "numpy"),
    }
    return StageResult(facts=facts, summary={"rows": applied.rows}, warnings=_warnings(applied.repaired_rows))


def plan_steps(recipe: Recipe, part_types: list[list[int]]) -> list[Step]:
    """The recipe's steps; with several files that mix single and multi types of one family, promotion comes first.

    Args: part_types: the ISO WKB codes that occur in each loaded file.
    """
    planned = list(steps(recipe))
    if len(part_types) > 1 and _mixes_single_and_multi(part_types):
        planned.insert(1, PromoteMulti())
    return planned


def _mixes_single_and_multi(part_types: list[list[int]]) -> bool:
    bases = {code % 1000 for types in part_types for code in types}
    return any(single in bases and single + MULTI_OFFSET in bases for single in (POINT, LINESTRING, POLYGON))


def _warnings(repaired_rows: int) -> tuple[str, ...]:
    return (
        (f"{repaired_rows} invalid geometries repaired; their originals are kept",) if repaired_rows else ()
    )
