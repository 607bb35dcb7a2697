"""The transformed table into the lake: written, hashed, claimed, uploaded, committed."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from geoingest.events import Summary
from geoingest.formats.column_schema import read_column_schema
from geoingest.formats.geoparquet import GeoParquetFacts, write_geoparquet
from geoingest.model.asset import Asset, AssetKind, AssetMetadata, Bounds, Companion, SourceFile
from geoingest.model.ingest import parse_manifest
from geoingest.model.manifest import Manifest
from geoingest.model.records import LineageEdge, ManifestRecord
from geoingest.naming import FORMS
from geoingest.runtime.faults import reached
from geoingest.runtime.stage import StageResult, Task, library_versions
from geoingest.stores.ledger.assets import claim_version, commit_asset, previous_asset
from geoingest.stores.ledger.collections import MANIFESTS
from geoingest.stores.ledger.documents import Document, Documents

FORM = FORMS["geoparquet"]
# A reserved name: load renames an attribute that is called so.
COVERING = "bbox"


def export(task: Task) -> StageResult:
    """Write the dataset's next version and commit it with its lineage in the transaction that ends the stage."""
    data = task.work_dir / f"data.{FORM.extension}"
    reached("export.data.before")
    written = write_data(task, data)
    reached("export.data.after")
    task.on_rows(written.rows, written.rows)
    asset = describe_asset(task, data, written)
    asset = put_asset(task, asset, data)
    edge = lineage_edge(task, asset)

    def commit(documents: Documents, now: datetime) -> Document:
        reached("export.commit.before")
        ended = commit_asset(documents, task.run, asset, [edge], now)
        reached("export.commit.after")
        return ended

    facts = {"asset_id": asset.asset_id, "version": asset.version, "row_groups": written.row_groups}
    summary: Summary = {"rows": written.rows, "version": asset.version, "key": asset.s3_key}
    return StageResult(facts=facts, summary=summary, commit=commit)


def write_data(task: Task, path: Path) -> GeoParquetFacts:
    """The transformed table as GeoParquet at `path`; its bytes depend on the data and the recipe alone."""
    facts = _stage(task, "transform")
    schema, batches = task.space().read()
    renamed = _stage(task, "load")["header_mapping"]
    return write_geoparquet(
        path,
        batches,
        schema=schema,
        crs=json.loads(facts["crs"]),
        bounds=tuple(facts["bounds"]) if facts["bounds"] else None,
        work_dir=task.work_dir,
        metadata={"geoingest:header_mapping": json.dumps(renamed, ensure_ascii=False)} if renamed else {},
        on_rows=lambda done: task.on_rows(done, facts["rows"]),
    )


def describe_asset(task: Task, path: Path, written: GeoParquetFacts) -> Asset:
    """The run's claimed version with everything that was measured; still pending."""
    loaded, transformed = _stage(task, "load"), _stage(task, "transform")
    content_hash = hash_file(path)
    reached("export.version.before")
    claimed = claim_version(
        task.documents, task.run, kind=AssetKind.SPATIAL, file_format="geoparquet", extension=FORM.extension
    )
    reached("export.version.after")
    return claimed.model_copy(
        update={
            "content_hash": content_hash,
            "crs": transformed["crs_name"],
            "bounds": _bounds(written),
            "row_count": written.rows,
            "size_bytes": written.size_bytes,
            "source_files": tuple(SourceFile.model_validate(file) for file in loaded["source_files"]),
            "source_crs": tuple(dict.fromkeys(part["crs_name"] for part in loaded["parts"])),
            "engine": task.run.engine,
            "libraries": loaded["libraries"] | transformed["libraries"] | library_versions("pyarrow"),
            "metadata": _metadata(task, path, written),
        }
    )


def put_asset(task: Task, asset: Asset, data: Path) -> Asset:
    """Upload the data and, where geometries were repaired, their originals beside it; the asset naming both."""
    repaired = task.scratch / "repaired.parquet"
    if repaired.exists():
        reached("export.repaired.before")
        asset = asset.model_copy(update={"repaired": _put_repaired(task, asset, repaired)})
        reached("export.repaired.after")
    reached("export.put.before")
    task.objects.put(task.lake_bucket, asset.s3_key, data, content_type=FORM.content_type)
    reached("export.put.after")
    return asset


def lineage_edge(task: Task, asset: Asset) -> LineageEdge:
    """Where the version came from: its files, the steps with their effects, and the version before."""
    previous = previous_asset(task.documents, asset)
    return LineageEdge(
        edge_id=str(uuid.uuid5(uuid.UUID(task.run.run_id), "ingest")),
        source_asset_id=previous.asset_id if previous else None,
        target_asset_id=asset.asset_id,
        run_id=task.run.run_id,
        transformation=task.run.intent,
        parameters={
            "source_files": [file.model_dump() for file in asset.source_files],
            "steps": _stage(task, "transform")["steps"],
            "previous_version": previous.version if previous else None,
        },
        created_at=task.run.created_at,
    )


def hash_file(path: Path) -> str:
    """`sha256:` and the hex digest of the file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _put_repaired(task: Task, asset: Asset, path: Path) -> Companion:
    # A copy: should this try be cut short, the next one finds the file where transform left it.
    copy = Path(shutil.copyfile(path, task.work_dir / path.name))
    key = f"{asset.s3_key.rpartition('/')[0]}/{path.name}"
    content_hash, size_bytes = hash_file(copy), copy.stat().st_size
    task.objects.put(task.lake_bucket, key, copy, content_type=FORM.content_type)
    rows = _stage(task, "transform")["repaired_rows"]
    return Companion(s3_key=key, content_hash=content_hash, size_bytes=size_bytes, rows=rows)


def _metadata(task: Task, path: Path, written: GeoParquetFacts) -> AssetMetadata:
    stated = _manifest(task).metadata
    return AssetMetadata(
        title=stated.title,
        description=stated.description,
        keywords=stated.keywords,
        source=stated.source,
        license=stated.license,
        attribution=stated.attribution,
        project=stated.project,
        tags=stated.tags,
        header_mapping=_stage(task, "load")["header_mapping"],
        column_schema=_columns(task, path),
        geometry_type=written.geometry_type,
    )


def _columns(task: Task, path: Path) -> dict[str, Any]:
    """The dataset's columns in file order, titled by their original names; the covering is none of them."""
    titles = {name: original for original, name in _stage(task, "load")["header_mapping"] or ()}
    described = read_column_schema(path, titles=titles)
    return {name: column.model_dump() for name, column in described.items() if name != COVERING}


def _manifest(task: Task) -> Manifest:
    [record] = task.documents.find(MANIFESTS.name, {"manifest_id": task.run.manifest_id}, limit=1)
    # Checked when it came in, against the landing bucket of that time.
    return parse_manifest(ManifestRecord.model_validate(record).content, landing_bucket=None)


def _stage(task: Task, name: str) -> dict[str, Any]:
    return task.run.stages[name].result or {}


def _bounds(written: GeoParquetFacts) -> Bounds | None:
    if written.bounds is None:
        return None
    minx, miny, maxx, maxy = written.bounds
    return Bounds(minx=minx, miny=miny, maxx=maxx, maxy=maxy)
