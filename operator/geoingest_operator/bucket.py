"""The bucket entry: manifests that appear in the landing bucket become runs, once per (key, ETag).

Owns what is looked at, when an object counts as whole, and the order in which a manifest is read, recorded and
archived: whatever is cut short is found again at the next look and leads to the same run. Refuses to guess: a manifest
that cannot run is recorded as rejected and archived with its reasons beside it.
"""

from __future__ import annotations

import json
import secrets
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from geoingest import naming
from geoingest.errors import GeoingestError, PermanentError
from geoingest.errors.run import SourceChangedError, SourceNotFoundError
from geoingest.events import Event
from geoingest.model.ingest import Ingest, parse_ingest
from geoingest.model.run import Run
from geoingest.runtime.platform import Platform
from geoingest.stores.ledger.collections import MANIFESTS
from geoingest.stores.ledger.runs import get_run, register_run, reject_manifest
from geoingest.stores.objects.port import ObjectInfo
from geoingest_operator.intake import rejection
from geoingest_operator.outbox import next_event_of
from geoingest_operator.plan import Planned, gather_facts, plan_run

PREFIX: Final = "manifests/"
SUFFIXES: Final = (".json", ".yaml", ".yml")
# A file name on common file systems, in bytes.
NAME_BYTES: Final = 255
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The manifest's run is in the ledger; `event` moves it on, null when it is over already."""

    run: Run
    event: Event | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyPlanned:
    """The manifest asked for its plan and nothing else; the plan lies beside it in the archive."""

    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The manifest never runs."""

    manifest_id: str
    error: GeoingestError


Taken = Started | OnlyPlanned | Refused


class Landing:
    """The manifests in the landing bucket, each shown once it looks the same twice in a row.

    Where a file grows in place, as in a folder, that is what tells a whole one from one that is being written.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._seen: dict[str, str] = {}

    def look(self) -> list[ObjectInfo]:
        """The whole manifests at this look, in key order. Raises: TransientError: the store is away."""
        objects, bucket = self._platform.objects, self._platform.settings.landing_bucket
        found = [item for item in objects.list(bucket, PREFIX) if is_manifest_key(item.key)]
        settled = settled_among(found, self._seen)
        self._seen = {item.key: item.etag for item in found}
        return settled

    @property
    def is_empty(self) -> bool:
        """Whether the last look found no manifest at all."""
        return not self._seen


def is_manifest_key(key: str) -> bool:
    """Whether an object of this key is meant as a manifest; hidden files are somebody's half-done work."""
    name = key.rpartition("/")[2]
    return key.startswith(PREFIX) and key.lower().endswith(SUFFIXES) and not name.startswith(".")


def settled_among(found: Sequence[ObjectInfo], seen: Mapping[str, str]) -> list[ObjectInfo]:
    """Those whose ETag is the one that was `seen` under their key at the look before."""
    return [item for item in found if seen.get(item.key) == item.etag]


def ingest_uid(item: ObjectInfo) -> str:
    """The identity of the ingest that this content under this key asks for: the same however often it is met."""
    return str(uuid.uuid5(naming.NAMESPACE, json.dumps(["object", item.bucket, item.key, item.etag])))


def take_manifest(platform: Platform, item: ObjectInfo) -> Taken | None:
    """Record the run that the manifest asks for, or why there is none, and then archive the manifest.

    Null when the object is gone or has another content by now. Repeating it, after a crash at any point too, has the
    effect of doing it once. Raises: TransientError: a store is away; nothing is lost, the next look finds the object.
    """
    content = _content(platform, item.bucket, item.key, etag=item.etag)
    if content is None:
        return None
    uid = ingest_uid(item)
    # Its sources may have changed since it was planned: what is recorded is not planned again.
    run = get_run(platform.documents, naming.run_id(uid=uid, attempt=1))
    if run is None:
        try:
            planned = _plan(platform, item, content, uid)
        except PermanentError as error:
            return _refuse(platform, item, content, error)
        if planned.only_plan:
            _put_beside(platform, _archive_key(item), "plan", planned.run.plan.model_dump(mode="json"))
            _archive(platform, item, content, _archive_key(item))
            return OnlyPlanned(run=planned.run)
        run = register_run(
            platform.documents, run=planned.run, manifest=planned.manifest, dataset=planned.dataset
        )
    _archive(platform, item, content, _archive_key(item))
    _record_archived(platform, run.manifest_id, _archive_key(item))
    return Started(run=run, event=next_event_of(run))


def _content(platform: Platform, bucket: str, key: str, *, etag: str | None = None) -> bytes | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object"
        try:
            platform.objects.fetch(bucket, key, path, etag=etag)
        except (SourceNotFoundError, SourceChangedError):
            return None
        return path.read_bytes()


def _plan(platform: Platform, item: ObjectInfo, content: bytes, uid: str) -> Planned:
    parsed = parse_ingest(content, landing_bucket=platform.settings.landing_bucket)
    ingest: Ingest = replace(
        parsed, name=parsed.name or naming.ingest_name(item.key, etag=item.etag), uid=uid
    )
    sources = gather_facts(ingest, platform.objects, platform.settings)
    return plan_run(
        ingest,
        sources,
        platform.settings,
        token=secrets.token_hex(16),
        now=datetime.now(UTC),
        manifest_path=item.uri,
    )


def _refuse(platform: Platform, item: ObjectInfo, content: bytes, error: PermanentError) -> Refused:
    manifest_id = str(uuid.uuid5(naming.NAMESPACE, f"manifest/{ingest_uid(item)}"))
    record = rejection(error, manifest_id=manifest_id, content=content, path=item.uri)
    reject_manifest(platform.documents, record)
    archived = _archive_key(item, rejected=True)
    _put_beside(platform, archived, "reasons", error.as_dict())
    _archive(platform, item, content, archived)
    _record_archived(platform, manifest_id, archived)
    return Refused(manifest_id=manifest_id, error=error)


def _archive_key(item: ObjectInfo, *, rejected: bool = False) -> str:
    return naming.archive_key(item.key, etag=item.etag, rejected=rejected)


def _archive(platform: Platform, item: ObjectInfo, content: bytes, archived: str) -> None:
    """Move the manifest to the archive. One that was replaced meanwhile stays; what was taken is kept all the same."""
    objects = platform.objects
    now = objects.head(item.bucket, item.key)
    if now is not None and now.etag == item.etag:
        objects.move(item.bucket, item.key, archived)
    kept = _content(platform, item.bucket, archived)
    if kept is not None and kept != content:
        # Replaced between the look and the move: it is a manifest of its own and goes back to be taken.
        objects.move(item.bucket, archived, item.key)
    if kept != content:
        _put(platform, item.bucket, archived, content)


def _put_beside(platform: Platform, archived: str, what: str, document: object) -> None:
    """Store `<name>.<what>.json` beside the archived manifest, the name shortened from the left as there."""
    folder, _, name = archived.rpartition("/")
    name = f"{name}.{what}.json".encode()[-NAME_BYTES:].decode(errors="ignore")
    content = json.dumps(document, ensure_ascii=False, indent=2).encode()
    _put(platform, platform.settings.landing_bucket, f"{folder}/{name}", content)


def _put(platform: Platform, bucket: str, key: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object"
        path.write_bytes(content)
        platform.objects.put(bucket, key, path, content_type=JSON)


def _record_archived(platform: Platform, manifest_id: str, archived: str) -> None:
    uri = f"s3://{platform.settings.landing_bucket}/{archived}"
    platform.documents.update(MANIFESTS.name, {"manifest_id": manifest_id}, {"archived_as": uri})
