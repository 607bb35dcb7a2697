"""The object store's port: objects in buckets, files in and out.

Keys are `/`-separated and relative, also where a store would take others. An ETag names one content of one
key: reading with it fails rather than giving other bytes. Nothing here knows what the objects hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from geoingest.errors.run import ObjectKeyInvalidError


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What a store says about one object without reading it."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    modified_at: datetime

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


def check_key(key: str) -> None:
    """Raises: ObjectKeyInvalidError: a key that is empty, absolute, or would climb if it were a path."""
    if any(part in ("", ".", "..") for part in key.split("/")) or "\0" in key or "\\" in key:
        raise ObjectKeyInvalidError(key=key)


class ObjectStore(Protocol):
    """Buckets of objects. Every write is atomic: a reader sees the whole object or none."""

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """The object's facts, null when there is none."""

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """The objects whose key starts with `prefix`, in key order."""

    def fetch(self, bucket: str, key: str, to: Path, *, etag: str | None = None) -> ObjectInfo:
        """Bring a copy of the object to the file `to`.

        Raises: SourceNotFoundError: there is none. SourceChangedError: its content is not the one `etag` names.
        """

    def put(self, bucket: str, key: str, path: Path, *, content_type: str) -> ObjectInfo:
        """Store the file at `path` under the key, replacing what was there. The file may be gone afterwards."""

    def move(self, bucket: str, key: str, to_key: str) -> None:
        """Give the object another key in its bucket; nothing happens when it is not there (any more)."""

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object; nothing happens when it is not there."""
