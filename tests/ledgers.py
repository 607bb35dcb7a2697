"""Ledgers and planned runs for tests: the same documents for every adapter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from geoingest.model.ingest import parse_ingest
from geoingest.model.run import Source, SourceMember
from geoingest.settings import Settings
from geoingest.stores.ledger.migrations import apply_migrations
from geoingest.stores.ledger.runs import register_run
from geoingest.stores.ledger.sqlite import SqliteDocuments
from geoingest_operator.plan import Planned, plan_run

if TYPE_CHECKING:
    from pathlib import Path

    from geoingest.stores.ledger.documents import Documents

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def open_ledger(path: Path) -> SqliteDocuments:
    documents = SqliteDocuments(path)
    apply_migrations(documents)
    return documents


def manifest(dataset_id: str = "roads") -> dict[str, object]:
    return {
        "batch_id": "b1",
        "uploader": "ada",
        "intent": "ingest_vector",
        "files": [{"path": "s3://landing-zone/a.gpkg", "type": "vector", "format": "GPKG"}],
        "metadata": {
            "title": "Roads",
            "description": "",
            "source": "",
            "license": "",
            "attribution": "",
            "tags": {"dataset_id": dataset_id},
        },
    }


def planned_run(
    tmp_path: Path, *, uid: str = "u1", dataset_id: str = "roads", deadline_s: int | None = None
) -> Planned:
    from dataclasses import replace

    ingest = replace(parse_ingest(manifest(dataset_id)), uid=uid, name="roads", deadline_s=deadline_s)
    member = SourceMember(path="s3://landing-zone/a.gpkg", etag="1-1", size_bytes=1)
    source = Source(path=member.path, type="vector", format="GPKG", members=(member,))
    return plan_run(ingest, [source], Settings(home=tmp_path), token="word", now=NOW)


def registered_run(
    documents: Documents, tmp_path: Path, *, uid: str = "u1", dataset_id: str = "roads"
) -> Planned:
    planned = planned_run(tmp_path, uid=uid, dataset_id=dataset_id)
    register_run(documents, run=planned.run, manifest=planned.manifest, dataset=planned.dataset)
    return planned
