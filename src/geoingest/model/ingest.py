"""One ingest as someone asked for it: a manifest file or a DatasetIngest resource, through one door.

`parse_ingest` is the door. Refuses a document as a whole, with everything that is wrong with it at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from geoingest.errors import Problem
from geoingest.errors.manifest import ManifestInvalidError
from geoingest.model.consistency import consistency_problems
from geoingest.model.document import read_document, shown
from geoingest.model.door import DoorModel, Name
from geoingest.model.manifest import Manifest
from geoingest.model.problems import problems_of
from geoingest.naming import LANDING_BUCKET
from geoingest.recipes import Recipe, recipe_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from geoingest.model.document import PlainDocument
    from geoingest.model.door import Spelling

API_VERSION: Final = "geoingest.dev/v1alpha1"
KIND: Final = "DatasetIngest"

Engine = Literal["embedded", "postgis"]
Mode = Literal["Apply", "Plan"]
_ModelT = TypeVar("_ModelT", bound=BaseModel)


class IngestSpec(Manifest):
    """The manifest, and how it is to be run."""

    recipe: Recipe | None = Field(None, description="Treatment of geometries; the intent's own when absent.")
    engine: Engine | None = Field(
        None, description="Where the transient table lives; the platform's choice when absent."
    )
    mode: Mode = Field("Apply", description="Apply runs the ingest; Plan only checks and plans it.")
    ttl_seconds_after_finished: int | None = Field(
        None,
        ge=0,
        le=2**31 - 1,
        description="Seconds after which the finished resource is deleted; kept when absent.",
    )
    deadline_seconds: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Seconds a run may take; the platform's limit when absent."
    )


class ResourceMetadata(BaseModel):
    """The Kubernetes object metadata that geoingest reads; the rest is Kubernetes' own business."""

    model_config = ConfigDict(
        frozen=True, strict=True, defer_build=True, extra="ignore", alias_generator=to_camel
    )

    name: Name = Field(max_length=253)
    namespace: Name = Field("default", max_length=63)
    uid: str = Field("", max_length=128)
    generation: int = Field(0, ge=0)
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class DatasetIngest(DoorModel):
    """The resource as `kubectl apply` sends it; `status` is ours to write and is not read from a file."""

    api_version: Literal["geoingest.dev/v1alpha1"]
    kind: Literal["DatasetIngest"]
    metadata: ResourceMetadata
    spec: IngestSpec
    status: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """What is to be ingested, whichever door it came through.

    A manifest file has no identity of its own: `namespace` is "default", `name` and `uid` are empty until
    the caller gives it one with `dataclasses.replace`. `recipe` is null on lanes that apply none; `engine`,
    `deadline_s` and `ttl_s` are null where the platform decides.
    """

    namespace: str
    name: str
    uid: str
    manifest: Manifest
    recipe: Recipe | None
    engine: Engine | None
    mode: Mode
    deadline_s: int | None
    ttl_s: int | None


def parse_ingest(
    document: str | bytes | Mapping[str, Any], *, landing_bucket: str = LANDING_BUCKET
) -> Ingest:
    """The ingest that a manifest or a DatasetIngest asks for.

    Args: document: JSON or YAML text, or an already parsed mapping; anything with an `apiVersion` or a
        `kind` is a resource in camelCase, everything else a manifest in snake_case.

    Raises: ManifestUnreadableError: no JSON, no YAML; ManifestInvalidError: with every problem and its path.
    """
    plain = read_document(document)
    if isinstance(plain.value, dict) and not plain.value.keys().isdisjoint({"apiVersion", "kind"}):
        return _ingest_of(_validated(DatasetIngest, plain, "camel", landing_bucket))
    manifest = _validated(Manifest, plain, "snake", landing_bucket)
    return Ingest(
        namespace="default",
        name="",
        uid="",
        manifest=manifest,
        recipe=recipe_for(manifest.intent),
        engine=None,
        mode="Apply",
        deadline_s=None,
        ttl_s=None,
    )


def parse_manifest(
    document: str | bytes | Mapping[str, Any], *, landing_bucket: str | None = LANDING_BUCKET
) -> Manifest:
    """The manifest in a snake_case document.

    Args: landing_bucket: null accepts paths in any bucket, for documents that were checked when they came in.

    Raises: as `parse_ingest`.
    """
    return _validated(Manifest, read_document(document), "snake", landing_bucket)


def _ingest_of(resource: DatasetIngest) -> Ingest:
    spec = resource.spec
    # Validated already: the plain manifest is the spec without its own fields.
    manifest = Manifest.model_construct(**{name: getattr(spec, name) for name in Manifest.model_fields})
    return Ingest(
        namespace=resource.metadata.namespace,
        name=resource.metadata.name,
        uid=resource.metadata.uid,
        manifest=manifest,
        recipe=spec.recipe or recipe_for(spec.intent),
        engine=spec.engine,
        mode=spec.mode,
        deadline_s=spec.deadline_seconds,
        ttl_s=spec.ttl_seconds_after_finished,
    )


def _validated(
    model: type[_ModelT], plain: PlainDocument, spelling: Spelling, landing_bucket: str | None
) -> _ModelT:
    if not isinstance(plain.value, dict):
        raise ManifestInvalidError(
            [Problem(path="", message=f"got {shown(plain.value)}, expected a mapping")]
        )
    context = {"landing_bucket": landing_bucket}
    in_camel = spelling == "camel"
    try:
        valid = model.model_validate(plain.value, context=context, by_alias=in_camel, by_name=not in_camel)
    except ValidationError as error:
        fields = problems_of(error, model, spelling)
        raise ManifestInvalidError(
            _each_path_once(plain.problems, fields, _between_fields(plain, spelling))
        ) from None
    if plain.problems:
        raise ManifestInvalidError(plain.problems)
    return valid


def _between_fields(plain: PlainDocument, spelling: Spelling) -> Iterator[Problem]:
    at, document = ("", plain.value) if spelling == "snake" else ("spec.", plain.value.get("spec"))
    if isinstance(document, dict):
        for problem in consistency_problems(document, spelling):
            yield Problem(path=at + problem.path, message=problem.message)


def _each_path_once(*groups: Iterable[Problem]) -> Iterable[Problem]:
    """The problems in order; a path is told by the first group that knows it, which is the most precise."""
    found: dict[str, Problem] = {}
    for problem in chain.from_iterable(groups):
        found.setdefault(problem.path, problem)
    return found.values()
