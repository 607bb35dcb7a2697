"""What is done to the geometries of a vector ingest, as words: `Recipe` at the door, ordered steps inside.

Lossless by default: curves become lines, coordinates the output's CRS, invalid shapes valid ones; nothing
else. Engines apply the steps; lineage records their names and parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field

from geoingest.model.door import DoorModel, crs_code
from geoingest.routing import INTENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

KEEP: Final = "keep"
Parameters: TypeAlias = dict[str, str | int | float | bool]


def _target_crs(value: str) -> str:
    return value if value == KEEP else crs_code(value)


class SimplifyOptions(DoorModel):
    """A loss someone asked for: vertices closer than the tolerance to the simplified line go."""

    tolerance: float = Field(gt=0, description="Largest distance a boundary may move.")
    unit: Literal["target"] = Field(
        "target", description="Unit of the tolerance: the unit of the target CRS."
    )


class Recipe(DoorModel):
    """How a vector ingest treats its geometries."""

    target_crs: Annotated[str, AfterValidator(_target_crs)] = Field(
        "EPSG:4326", max_length=64, description="CRS of the output as AUTHORITY:CODE, or keep."
    )
    invalid_geometry: Literal["repair", "reject"] = Field(
        "repair", description="What happens to invalid geometries: repaired and counted, or the run fails."
    )
    allow_missing_fields: bool = Field(
        default=False, description="Fill fields that some files lack with null instead of failing."
    )
    simplify: SimplifyOptions | None = Field(None, description="Simplification; none unless asked for.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Linearise:
    """Curves become segments in the source CRS, each spanning at most `max_angle_degrees` of its arc."""

    name: ClassVar[str] = "linearise"
    max_angle_degrees: float = 4.0

    def parameters(self) -> Parameters:
        """What lineage records."""
        return {"max_angle_degrees": self.max_angle_degrees}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproject:
    """Coordinates move to the CRS `target` (AUTHORITY:CODE), axis order x, y."""

    name: ClassVar[str] = "reproject"
    target: str

    def parameters(self) -> Parameters:
        """What lineage records."""
        return {"target": self.target}


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteMulti:
    """Single geometries become multi geometries of one part: files that differ only in that can be one dataset."""

    name: ClassVar[str] = "promote_multi"

    def parameters(self) -> Parameters:
        """What lineage records: there is nothing to choose."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Invalid geometries are made valid, or fail the run, by `policy`."""

    name: ClassVar[str] = "repair"
    policy: Literal["repair", "reject"]

    def parameters(self) -> Parameters:
        """What lineage records."""
        return {"policy": self.policy}


@dataclass(frozen=True, slots=True, kw_only=True)
class Simplify:
    """Boundaries lose vertices and move by at most `tolerance`; validity is kept."""

    name: ClassVar[str] = "simplify"
    tolerance: float
    unit: Literal["target"]

    def parameters(self) -> Parameters:
        """What lineage records."""
        return {"tolerance": self.tolerance, "unit": self.unit}


Step: TypeAlias = Linearise | PromoteMulti | Reproject | Repair | Simplify

# Named intents are lossless as well, unless the ingest says otherwise; the names are there to be given more.
NAMED_RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {"lossless": Recipe(), "building_footprints": Recipe(), "road_network": Recipe()}
)


def recipe_for(intent: str) -> Recipe | None:
    """The recipe of a registered intent; null where the lane has no geometries to treat."""
    name = INTENTS[intent].recipe
    return None if name is None else NAMED_RECIPES[name]


def steps(recipe: Recipe) -> tuple[Step, ...]:
    """The recipe as steps, in the order they are applied."""
    reproject = () if recipe.target_crs == KEEP else (Reproject(target=recipe.target_crs),)
    simplify = recipe.simplify
    last = () if simplify is None else (Simplify(tolerance=simplify.tolerance, unit=simplify.unit),)
    return (Linearise(), *reproject, Repair(policy=recipe.invalid_geometry), *last)
