"""The transformed table into the lake: written, hashed, claimed, uploaded, committed."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from geoingest.formats.column_schema import read_column_schema
from geoingest.formats.geoparquet import GeoParquetFacts, write_geoparquet
from geoingest.model.asset import Asset, AssetKind, AssetMetadata, Bounds, Companion, SourceFile
from geoingest.model.manifest import parse_manifest
from geoingest.model.records import LineageEdge, ManifestRecord
from geoingest.model.run import Run
from geoingest.naming import FORMS
from geoingest.runtime.stage import StageResult, Task
from geoingest.stores.ledger.assets import claim_version, commit_asset, previous_asset
from geoingest.stores.ledger.collections import MANIFESTS
from geoingest.stores.ledger.documents import Document, Documents

FORM = FORMS["geoparquet"]
# What can change the bytes of the file for the same input.
LIBRARIES = ("geoingest", "pyarrow", "shapely", "pyproj", "pyogrio", "numpy")


def export(task: Task) -> StageResult:
    """Write the dataset's next version and commit it with its lineage in the transaction that ends the stage."""
    data = task.work_dir / f"data.{FORM.extension}"
    written = write_data(task, data)
    task.on_rows(written.rows, written.rows)
    asset = describe_asset(task, data, written)
    asset = put_asset(task, asset, data)
    edge = lineage_edge(task, asset)

    def commit(documents: Documents, now: datetime) -> Document:
        return commit_asset(documents, task.run, asset, [edge], now)

    facts = {"asset_id": asset.asset_id, "version": asset.version, "row_groups": written.row_groups}
    summary = {"rows": written.rows, "version": asset.version, "key": asset.s3_key}
    return StageResult(facts=facts, summary=summary, commit=commit)
