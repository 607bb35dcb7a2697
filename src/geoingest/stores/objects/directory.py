"""An object store in a folder: one sub-folder a bucket, one file an object.

Writes rename a finished file into place. A key can not leave its bucket, and symbolic links inside a
bucket are not followed out of it.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from geoingest.errors.run import (
    ObjectKeyInvalidError,
    SourceChangedError,
    SourceNotFoundError,
    StoreUnavailableError,
)
from geoingest.stores.objects.port import ObjectInfo, check_key

# Names of files that are being written: never listed, removed by the janitor once they are old.
PARTIAL_PREFIX = ".partial-"


class DirectoryObjects:
    """The buckets under `root`; a bucket's folder is made when something is put into it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """The object's facts, null when there is none."""
        path = self.path(bucket, key)
        with _translated(path):
            return _info(bucket, key, path) if path.is_file() else None

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """The objects whose key starts with `prefix`, in key order."""
        top = self.root / bucket
        # Only the folder that the prefix names is walked: a bucket can hold much else.
        folder = top / prefix.rpartition("/")[0].lstrip("/")
        with _translated(folder):
            keys = sorted(p.relative_to(top).as_posix() for p in folder.rglob("*") if p.is_file())
        for key in keys:
            # A name with a backslash is no key: one such file may not hide the others.
            if key.startswith(prefix) and "\\" not in key and not Path(key).name.startswith(PARTIAL_PREFIX):
                info = self.head(bucket, key)
                if info is not None:
                    yield info

    def fetch(self, bucket: str, key: str, to: Path, *, etag: str | None = None) -> ObjectInfo:
        """Bring a copy of the object to the file `to`.

        A copy, not a link: readers of old formats have been seen to write into what they read.
        Raises: SourceNotFoundError: there is none. SourceChangedError: its content is not the one `etag` names.
        """
        path = self.path(bucket, key)
        before = self.head(bucket, key)
        if before is None:
            raise SourceNotFoundError(path=f"s3://{bucket}/{key}")
        with _translated(path):
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            after = _info(bucket, key, path)
        for info in (before, after):
            if info.etag != (etag or before.etag):
                raise SourceChangedError(path=info.uri, expected=etag or before.etag, got=info.etag)
        return before

    def put(self, bucket: str, key: str, path: Path, *, content_type: str) -> ObjectInfo:  # noqa: ARG002  files carry no content type
        """Store the file at `path` under the key, replacing what was there. The file is gone afterwards."""
        target = self.path(bucket, key)
        with _translated(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.stat().st_dev != target.parent.stat().st_dev:
                partial = self.root / bucket / f"{PARTIAL_PREFIX}{uuid.uuid4().hex}"
                path = Path(shutil.move(path, partial))
            _sync(path)
            _rename(path, target)
            _sync(target.parent)
            return _info(bucket, key, target)

    def move(self, bucket: str, key: str, to_key: str) -> None:
        """Give the object another key in its bucket; nothing happens when it is not there (any more)."""
        source, target = self.path(bucket, key), self.path(bucket, to_key)
        with _translated(target):
            if source.is_file():
                _rename(source, target)
                # Of two links to one file a rename takes neither away.
                if source.exists() and source.samefile(target):
                    source.unlink()

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object and the folders that it leaves empty; nothing happens when it is not there."""
        path = self.path(bucket, key)
        with _translated(path):
            path.unlink(missing_ok=True)
            self._prune(path.parent, self.root / bucket)

    def path(self, bucket: str, key: str) -> Path:
        """Where the object's file is or would be. Raises: ObjectKeyInvalidError: the key leaves its bucket."""
        check_key(key)
        top = self.root / bucket
        path = top.joinpath(*key.split("/"))
        if not path.parent.resolve().is_relative_to(top.resolve()):
            raise ObjectKeyInvalidError(key=key)
        return path

    def _prune(self, folder: Path, top: Path) -> None:
        while folder != top and folder.is_relative_to(top):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


def link_or_copy(source: Path, target: Path) -> None:
    """`target` has the bytes and the modification time of `source`; no bytes move where a hard link can be made."""
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES):
            raise
        shutil.copy2(source, target)


def _rename(source: Path, target: Path) -> None:
    # Another process may prune the still empty folder between making it and using it.
    for _ in range(100):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            source.replace(target)
        except FileNotFoundError:
            if not source.exists():
                return
        else:
            return


def _info(bucket: str, key: str, path: Path) -> ObjectInfo:
    stat = path.stat()
    return ObjectInfo(
        bucket=bucket,
        key=key,
        etag=f"{stat.st_size:x}-{stat.st_mtime_ns:x}",
        size_bytes=stat.st_size,
        modified_at=datetime.fromtimestamp(stat.st_mtime, UTC),
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(
            where=where.name, reason=error.strerror or "input/output error"
        ) from error
