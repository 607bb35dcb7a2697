"""Manifests at the door of a local home: what was refused is recorded, what was taken is archived."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path

from geoingest import naming
from geoingest.errors import GeoingestError
from geoingest.model.records import ManifestRecord
from geoingest.model.run import RunError
from geoingest.runtime.platform import Platform
from geoingest.stores.ledger.clock import ledger_now
from geoingest.stores.ledger.collections import MANIFESTS
from geoingest.stores.ledger.runs import reject_manifest

# What the ledger keeps of a text that could not be read as a manifest.
KEPT_CHARACTERS = 64 * 1024


def archive_manifest(platform: Platform, manifest_id: str, path: Path, *, rejected: bool = False) -> None:
    """Keep the manifest file at `path` under `archive/` in the landing bucket, and tell its record where.

    A file in the landing bucket is moved there; one from elsewhere is copied and stays where it is.
    """
    bucket = platform.settings.landing_bucket
    key = landing_key(platform, path)
    etag = f"{path.stat().st_size:x}-{path.stat().st_mtime_ns:x}"
    archived = naming.archive_key(key or path.name, etag=etag, rejected=rejected)
    if key is not None:
        platform.objects.move(bucket, key, archived)
    else:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copyfile(path, Path(folder) / "manifest"))
            platform.objects.put(bucket, archived, copy, content_type="application/octet-stream")
    values = {"archived_as": f"s3://{bucket}/{archived}"}
    platform.documents.update(MANIFESTS.name, {"manifest_id": manifest_id}, values)


def record_rejection(platform: Platform, error: GeoingestError, *, content: bytes, path: Path | None) -> str:
    """Record a manifest that never ran, with its reasons, and archive its file; the record's id."""
    record = rejection(
        error, manifest_id=str(uuid.uuid4()), content=content, path=str(path) if path else None
    )
    reject_manifest(platform.documents, record)
    if path is not None:
        archive_manifest(platform, record.manifest_id, path, rejected=True)
    return record.manifest_id


def rejection(error: GeoingestError, *, manifest_id: str, content: bytes, path: str | None) -> ManifestRecord:
    """The record of a manifest that never ran: what was received, from where, and why it was refused."""
    now = ledger_now()
    return ManifestRecord(
        manifest_id=manifest_id,
        status="rejected",
        content=content.decode(errors="replace")[:KEPT_CHARACTERS],
        path=path,
        error=RunError.model_validate(error.as_dict()),
        created_at=now,
        updated_at=now,
        completed_at=now,
    )


def landing_key(platform: Platform, path: Path) -> str | None:
    """The file's key in the landing bucket, null when it lies elsewhere."""
    if platform.settings.object_store != "directory":
        return None
    landing = (platform.settings.home / platform.settings.landing_bucket).resolve()
    resolved = path.resolve()
    return resolved.relative_to(landing).as_posix() if resolved.is_relative_to(landing) else None
