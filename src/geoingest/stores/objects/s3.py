"""Objects in buckets that speak the S3 API: AWS and what is compatible with it.

Where the server is, its region and the credentials come from the standard AWS chain (variables, profile, role;
`AWS_ENDPOINT_URL_S3` for a server of one's own) and enter no message. Buckets must exist. Parts of uploads that
were killed stay until the bucket's lifecycle rule `AbortIncompleteMultipartUpload` removes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)

from geoingest.errors import GeoingestError
from geoingest.errors.run import (
    BucketNotFoundError,
    SourceChangedError,
    SourceNotFoundError,
    StoreAccessDeniedError,
    StoreUnavailableError,
)
from geoingest.stores.objects.port import ObjectInfo, check_key

MIB = 1024 * 1024
# Standard mode backs off with jitter; 5 calls are at most some 15 s on top of the timeouts.
CLIENT = Config(
    connect_timeout=10,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 5},
    user_agent_extra="geoingest",
)
# Above the threshold a file goes up in parts, several at once; S3 takes at most 10,000 parts, boto3 enlarges them.
TRANSFER = TransferConfig(multipart_threshold=64 * MIB, multipart_chunksize=16 * MIB, max_concurrency=4)
# One call copies up to 5 GiB with all metadata; in parts it would be lost.
COPY = TransferConfig(multipart_threshold=5 * 1024 * MIB)
CHUNK_BYTES = MIB
# A download that breaks off goes on where it stopped, this many times in all.
DOWNLOAD_TRIES = 5
BROKEN_OFF = (HTTPClientError, IncompleteReadError)
NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, NoAuthTokenError, ProfileNotFound)
# A HEAD has no body, so its status stands in for the code.
ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
CHANGED = frozenset({"412", "PreconditionFailed"})
DENIED = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "ExpiredToken",
    }
)


class S3Objects:
    """The buckets that the environment's AWS settings lead to. Safe for several threads."""

    def __init__(self) -> None:
        with _translated("S3"):
            self._client = boto3.session.Session().client("s3", config=CLIENT)

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """The object's facts, null when there is none."""
        check_key(key)
        try:
            with _translated(_uri(bucket, key)):
                answer = self._client.head_object(Bucket=bucket, Key=key)
        except SourceNotFoundError:
            return None
        return _info(bucket, key, answer, size_bytes=answer["ContentLength"])

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """The objects whose key starts with `prefix`, in key order."""
        with _translated(_uri(bucket, prefix)):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    # S3's console makes empty objects that stand for folders.
                    if not item["Key"].endswith("/"):
                        yield _info(bucket, item["Key"], item, size_bytes=item["Size"])

    def fetch(self, bucket: str, key: str, to: Path, *, etag: str | None = None) -> ObjectInfo:
        """Bring a copy of the object to the file `to`; all of it is one version, also when it came in pieces.

        Raises: SourceNotFoundError: there is none. SourceChangedError: its content is not the one `etag` names.
        """
        check_key(key)
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _translated(_uri(bucket, key)), to.open("wb") as file:
                return self._download(bucket, key, file, etag)
        except _PreconditionFailedError:
            now = self.head(bucket, key)
            got = now.etag if now else "gone"
            raise SourceChangedError(path=_uri(bucket, key), expected=etag or "the first", got=got) from None

    def put(self, bucket: str, key: str, path: Path, *, content_type: str) -> ObjectInfo:
        """Store the file at `path` under the key, replacing what was there; large files go up in parts.

        The object carries its SHA-256 as metadata `sha256`.
        """
        check_key(key)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            extra = {"ContentType": content_type, "Metadata": {"sha256": digest}}
            with _translated(_uri(bucket, key)):
                self._client.upload_fileobj(file, bucket, key, ExtraArgs=extra, Config=TRANSFER)
        info = self.head(bucket, key)
        if info is None:
            raise StoreUnavailableError(where=_uri(bucket, key), reason="gone right after it was stored")
        return info

    def move(self, bucket: str, key: str, to_key: str) -> None:
        """Give the object another key in its bucket; nothing happens when it is not there (any more).

        A copy inside the store, then a delete; what was put there in between is neither copied nor, where the server
        knows conditional deletes, removed.
        """
        check_key(to_key)
        info = self.head(bucket, key)
        if info is None:
            return
        source = {"Bucket": bucket, "Key": key}
        try:
            with _translated(info.uri):
                pinned = {"CopySourceIfMatch": f'"{info.etag}"'}
                self._client.copy(source, bucket, to_key, ExtraArgs=pinned, Config=COPY)
                self._client.delete_object(**source, IfMatch=f'"{info.etag}"')
        except _PreconditionFailedError:
            raise StoreUnavailableError(where=info.uri, reason="replaced while it was being moved") from None
        except SourceNotFoundError:
            return

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object; nothing happens when it is not there."""
        check_key(key)
        with _translated(_uri(bucket, key)):
            self._client.delete_object(Bucket=bucket, Key=key)

    def _download(self, bucket: str, key: str, file: BinaryIO, etag: str | None) -> ObjectInfo:
        condition = {"IfMatch": f'"{etag}"'} if etag else {}
        for tries_left in reversed(range(DOWNLOAD_TRIES)):
            if file.tell():
                condition["Range"] = f"bytes={file.tell()}-"
            answer = self._client.get_object(Bucket=bucket, Key=key, **condition)
            condition["IfMatch"] = answer["ETag"]
            try:
                file.writelines(answer["Body"].iter_chunks(CHUNK_BYTES))
            except BROKEN_OFF:
                if not tries_left:
                    raise
            else:
                break
        return _info(bucket, key, answer, size_bytes=file.tell())


class _PreconditionFailedError(Exception):
    """The object is not the one that the request was about."""


def _uri(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}"


def _info(bucket: str, key: str, answer: dict[str, Any], *, size_bytes: int) -> ObjectInfo:
    return ObjectInfo(
        bucket=bucket,
        key=key,
        etag=answer["ETag"].strip('"'),
        size_bytes=size_bytes,
        modified_at=answer["LastModified"],
    )


@contextmanager
def _translated(where: str) -> Iterator[None]:
    # No `from`: what the library says may quote headers and endpoints.
    try:
        yield
    except ClientError as error:
        raise _meaning(error, where) from None
    except NO_CREDENTIALS:
        raise StoreAccessDeniedError(where=where, reason="no credentials were found") from None
    except ParamValidationError:
        # The only thing that boto3 knows to be wrong before it asks: a name that no bucket can have.
        raise BucketNotFoundError(bucket=where.removeprefix("s3://").partition("/")[0]) from None
    except BotoCoreError as error:
        reason = f"the object store does not answer ({type(error).__name__})"
        raise StoreUnavailableError(where=where, reason=reason) from None


def _meaning(error: ClientError, where: str) -> GeoingestError | _PreconditionFailedError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in CHANGED:
        return _PreconditionFailedError()
    if code in ABSENT:
        return SourceNotFoundError(path=where)
    if code == "NoSuchBucket":
        return BucketNotFoundError(bucket=where.removeprefix("s3://").partition("/")[0])
    if code in DENIED:
        return StoreAccessDeniedError(where=where, reason=code)
    status = error.response.get("ResponseMetadata", {}).get(
        "HTTPStatusCode", HTTPStatus.INTERNAL_SERVER_ERROR
    )
    return StoreUnavailableError(
        where=where, reason=f"the object store answered {code or 'no code'} ({status})"
    )
