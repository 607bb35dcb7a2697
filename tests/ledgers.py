"""Ledgers and planned runs for tests: the same documents for every adapter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from geoingest.model.ingest import parse_ingest
from geoingest.model.run import Source, SourceMember
from geoingest.settings import Settings
from geoingest.stores.ledger.migrations import apply_migrations
from geoingest.stores.ledger.runs import register_run
from geoingest.stores.ledger.sqlite import SqliteDocuments
from geoingest_operator.plan import Planned, plan_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geoingest.stores.ledger.documents import Documents, T

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


class Killed(BaseException):
    """The process is gone: nothing of ours may catch it."""


class CutShort:
    """A ledger without transactions whose process is killed right before its write number `writes`, from 0."""

    def __init__(self, inner: Documents, writes: int) -> None:
        self._inner = inner
        self._left = writes

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def transact(self, work: Callable[[], T]) -> T:
        return work()

    def insert_new(self, *arguments: Any) -> bool:
        self._count()
        return self._inner.insert_new(*arguments)

    def update(self, *arguments: Any) -> int:
        self._count()
        return self._inner.update(*arguments)

    def delete(self, *arguments: Any) -> int:
        self._count()
        return self._inner.delete(*arguments)

    def _count(self) -> None:
        if self._left == 0:
            raise Killed
        self._left -= 1
