"""The manifest: what someone who drops files writes about them, and what it means for the run.

Owns the fields and their rules. Refuses whatever breaks one; rules between fields stand in `consistency`.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from geoingest.model.consistency import consistency_problems
from geoingest.model.document import one_of
from geoingest.model.door import INCONSISTENT, CrsCode, DoorModel, Line, Name, Scalar, Text
from geoingest.naming import DATASET_ID, LANDING_BUCKET, source_uri
from geoingest.routing import INTENTS, FileType

_ENCODING = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,39}")
_BOOLEANS: Final = dict.fromkeys(("1", "true", "yes", "y", "on"), True) | dict.fromkeys(
    ("0", "false", "no", "n", "off"), False
)


def _known_intent(value: str) -> str:
    if value not in INTENTS:
        raise ValueError(one_of(INTENTS, instead_of=value))
    return value


def _text_encoding(value: str) -> str:
    if _ENCODING.fullmatch(value) is not None:
        with suppress(LookupError):
            # Private, but the only way to tell utf-8 from codecs such as zip and rot13.
            if codecs.lookup(value)._is_text_encoding:  # noqa: SLF001
                return value
    raise ValueError("a text encoding such as utf-8 or cp1252")


def _dataset_id(value: str) -> str:
    if DATASET_ID.fullmatch(value) is None:
        raise ValueError(f"a dataset id ({DATASET_ID.pattern})")
    return value


Intent = Annotated[
    str, AfterValidator(_known_intent), WithJsonSchema({"type": "string", "enum": list(INTENTS)})
]
DatasetId = Annotated[str, AfterValidator(_dataset_id)]
Encoding = Annotated[str, AfterValidator(_text_encoding)]
Keyword = Annotated[Text, Field(max_length=256)]


class ManifestFile(DoorModel):
    """One source file in the landing bucket."""

    path: str = Field(
        max_length=1200, description="Object in the landing bucket, as s3://bucket/key or bucket/key."
    )
    type: FileType = Field(description="What the file holds; it must fit the intent.")
    format: Name = Field(max_length=64, description="File format, for example GPKG, GeoJSON or CSV.")
    layer: Name | None = Field(
        None, max_length=512, description="Layer or sheet to read, when the file has several."
    )
    crs: CrsCode | None = Field(
        None, max_length=64, description="AUTHORITY:CODE used when the file names no CRS of its own."
    )
    force_crs: bool = Field(
        default=False, description="Use crs even when the file names another CRS; coordinates do not change."
    )
    encoding: Encoding | None = Field(
        None, max_length=40, description="Text encoding used when the file does not name its own."
    )

    @field_validator("path")
    @classmethod
    def _in_the_landing_bucket(cls, value: str, info: ValidationInfo) -> str:
        context = info.context or {}
        return source_uri(value, landing_bucket=context.get("landing_bucket", LANDING_BUCKET))


class JoinConfig(DoorModel):
    """Which two datasets are joined, on which columns; a tabular ingest names its key here too."""

    spatial_dataset_id: DatasetId = Field(max_length=128, description="Dataset that brings the geometry.")
    tabular_dataset_id: DatasetId = Field(max_length=128, description="Dataset that brings the table.")
    left_key: Name = Field(max_length=1024, description="Key column of the tabular dataset.")
    right_key: Name | None = Field(
        None, max_length=1024, description="Key column of the spatial dataset; leftKey when absent."
    )
    how: Literal["left", "inner", "right", "outer"] = Field("left", description="Which rows survive.")
    spatial_version: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Version of the spatial dataset; the latest when absent."
    )
    tabular_version: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Version of the tabular dataset; the latest when absent."
    )

    @property
    def spatial_key(self) -> str:
        """The key column of the spatial dataset."""
        return self.left_key if self.right_key is None else self.right_key


class ManifestMetadata(DoorModel):
    """What a catalogue shows about the dataset; required texts may be empty."""

    title: Text = Field(max_length=1024, description="Human name of the dataset.")
    description: Text = Field(max_length=16384, description="What the dataset holds.")
    source: Text = Field(max_length=2048, description="Where the data comes from.")
    license: Text = Field(max_length=2048, description="Licence of the data.")
    attribution: Text = Field(max_length=2048, description="Credit the licence asks for.")
    keywords: tuple[Keyword, ...] = Field(
        (), strict=False, max_length=256, description="Search words; blanks and exact repeats are dropped."
    )
    project: Text | None = Field(None, max_length=1024, description="Project the dataset belongs to.")
    tags: dict[Annotated[Line, Field(max_length=256)], Scalar] = Field(
        default_factory=dict,
        max_length=256,
        description="Free attributes: strings, integers, finite numbers or booleans.",
    )
    join_config: JoinConfig | None = Field(None, description="Parents and keys of a join.")

    @field_validator("keywords")
    @classmethod
    def _clean_keywords(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(word for word in map(str.strip, value) if word))


class Manifest(DoorModel):
    """The input contract. Equal manifests mean equal runs."""

    batch_id: Name = Field(max_length=256, description="The uploader's own name for this delivery.")
    uploader: Name = Field(max_length=256, description="Who answers for this delivery.")
    intent: Intent = Field(max_length=64, description="What is to be done with the files.")
    files: tuple[ManifestFile, ...] = Field(
        (), strict=False, max_length=1000, description="Source files; none for a join."
    )
    metadata: ManifestMetadata = Field(description="What a catalogue shows about the dataset.")

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        found = consistency_problems(self.model_dump(), "snake")
        if found:
            # Only for models built in code: the door computes the list itself, with paths.
            raise PydanticCustomError(INCONSISTENT, "{problems}", {"problems": "; ".join(map(str, found))})
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAttributes:
    """Who runs what for whom; `testing` null means the manifest does not say."""

    operator: str
    source: str
    testing: bool | None


def dataset_id(manifest: Manifest, *, seed: str) -> str:
    """The dataset this manifest adds a version to: its tag, else a new id that `seed` (the run) decides."""
    tagged = manifest.metadata.tags.get("dataset_id", "")
    chosen = tagged.strip() if isinstance(tagged, str) else ""
    return chosen or f"dataset_{hashlib.sha256(seed.encode()).hexdigest()[:12]}"


def run_attributes(manifest: Manifest) -> RunAttributes:
    """What a run says about its origin."""
    tags = manifest.metadata.tags
    named = (str(tags.get(key, "")).strip() for key in ("ingestion_source", "source"))
    return RunAttributes(
        operator=manifest.uploader,
        source=next(filter(None, named), "unknown"),
        testing=_as_boolean(tags.get("testing")),
    )


def manifest_document(manifest: Manifest) -> dict[str, Any]:
    """The manifest as a snake_case JSON document for the ledger; absent options are left out."""
    return manifest.model_dump(mode="json", by_alias=False, exclude_none=True)


def _as_boolean(tag: str | float | None) -> bool | None:
    if tag is None:
        return None
    return _BOOLEANS.get(tag.strip().lower()) if isinstance(tag, str) else bool(tag)
