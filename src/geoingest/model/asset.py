"""The asset: one version of one dataset in the lake, and where it came from."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from geoingest.model.run import LedgerModel


class AssetStatus(StrEnum):
    """`pending` holds a version number while the object is uploaded; readers see `available` ones only."""

    PENDING = "pending"
    AVAILABLE = "available"


class AssetKind(StrEnum):
    """What an asset holds; a dataset id keeps one kind."""

    SPATIAL = "spatial"
    RASTER = "raster"
    TABULAR = "tabular"
    JOINED = "joined"


class Bounds(LedgerModel):
    """A box in the asset's CRS, x then y."""

    minx: float
    miny: float
    maxx: float
    maxy: float


class SourceFile(LedgerModel):
    """One object that was read: where it was, which version of it, and the SHA-256 of its bytes."""

    path: str
    etag: str
    size_bytes: int
    sha256: str


class Companion(LedgerModel):
    """An object beside the data that belongs to the asset, such as the originals of repaired geometries."""

    s3_key: str
    content_hash: str
    size_bytes: int
    rows: int


class AssetMetadata(LedgerModel):
    """The manifest's description of the dataset and what was found in the data.

    `header_mapping` lists (original, name) pairs of renamed columns; null when none was renamed.
    """

    title: str
    description: str
    keywords: tuple[str, ...]
    source: str
    license: str
    attribution: str
    project: str | None = None
    tags: dict[str, str | int | float | bool] = Field(default_factory=dict)
    header_mapping: tuple[tuple[str, str], ...] | None = None
    column_schema: dict[str, Any] | None = None
    geometry_type: str | None = None


class Asset(LedgerModel):
    """One version. While `pending`, everything the export measures is still null.

    `content_hash` is `sha256:` and 64 hex digits of the object's bytes. `crs` and `bounds` are null for
    tables; `bounds` is null too when no row has a geometry.
    """

    asset_id: str
    dataset_id: str
    version: int
    run_id: str
    status: AssetStatus
    kind: AssetKind
    format: str
    s3_key: str
    content_hash: str | None = None
    crs: str | None = None
    bounds: Bounds | None = None
    row_count: int | None = None
    size_bytes: int | None = None
    source_files: tuple[SourceFile, ...] = ()
    source_crs: tuple[str, ...] = ()
    repaired: Companion | None = None
    engine: str | None = None
    libraries: dict[str, str] = Field(default_factory=dict)
    metadata: AssetMetadata | None = None
    created_at: datetime
    updated_at: datetime
