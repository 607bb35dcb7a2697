"""Every name geoingest makes or accepts: object keys, schemas, run ids, resource names. All deterministic.

Refuses to make a name that its owner (S3, PostgreSQL, Kubernetes) would not take.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

LANDING_BUCKET: Final = "landing-zone"
DATASET_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# Fixed for ever: changing it would give every run and event a second identity.
NAMESPACE: Final = uuid.UUID("6f3c1c52-6a0f-5d0e-9d55-5a7b0d3c8e41")

AssetFormat = Literal["geoparquet", "cog", "parquet"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# C0, DEL and C1.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# What S3 allows for a key, in UTF-8 bytes.
_KEY_BYTES = 1024
# One path segment on common file systems, where the local object store keeps a key's segments.
_SEGMENT_BYTES = 255
# RFC 1123 label, the form Kubernetes accepts for names and label values alike.
_LABEL_CHARACTERS = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class FileForm:
    """How a format looks in the lake."""

    extension: str
    content_type: str


FORMS: Final[Mapping[AssetFormat, FileForm]] = MappingProxyType(
    {
        "geoparquet": FileForm(extension="parquet", content_type="application/vnd.apache.parquet"),
        "parquet": FileForm(extension="parquet", content_type="application/vnd.apache.parquet"),
        "cog": FileForm(
            extension="tif", content_type="image/tiff; application=geotiff; profile=cloud-optimized"
        ),
    }
)


def has_control_characters(text: str) -> bool:
    """Whether `text` holds a C0, DEL or C1 character."""
    return _CONTROL.search(text) is not None


def source_uri(path: str, *, landing_bucket: str | None) -> str:
    """`s3://bucket/key` of one source object. Null `landing_bucket` accepts any valid bucket.

    Raises: ValueError: saying what was expected.
    """
    bucket, _, key = path.strip().removeprefix("s3://").partition("/")
    if _BUCKET.fullmatch(bucket) is None:
        raise ValueError(
            "s3://bucket/key with a bucket of 3 to 63 characters of a-z, 0-9, '.' and '-',"
            " a letter or digit at both ends"
        )
    if not key:
        raise ValueError("s3://bucket/key with a non-empty key")
    if has_control_characters(key):
        raise ValueError("a key without control characters")
    if ".." in key.split("/"):
        raise ValueError("a key without '..' segments")
    if len(key.encode(errors="surrogatepass")) > _KEY_BYTES:
        raise ValueError(f"a key of at most {_KEY_BYTES} bytes")
    if landing_bucket is not None and bucket != landing_bucket:
        raise ValueError(f"an object in the landing bucket {landing_bucket!r}")
    return f"s3://{bucket}/{key}"


def run_id(*, uid: str, attempt: int) -> str:
    """The id of one attempt of one ingest: the same ingest and attempt is always the same run.

    Args: uid: what Kubernetes gave the DatasetIngest, or any unique text; attempt: from 1.
    """
    if not uid or attempt < 1:
        raise ValueError(f"a run needs a uid and an attempt from 1, got {uid!r} and {attempt}")
    return str(uuid.uuid5(NAMESPACE, f"run/{uid}/{attempt}"))


def schema_name(run: str) -> str:
    """The run's transient PostgreSQL schema: `run_` and 32 hex digits, valid without quotes.

    Raises: ValueError: `run` is not a run id.
    """
    return f"run_{_run_uuid(run).hex}"


def scratch_prefix(run: str) -> str:
    """Where the run keeps objects between stages; the final `/` keeps the prefixes of runs apart."""
    return f"runs/{_run_uuid(run)}/"


def asset_key(dataset_id: str, version: int, extension: str) -> str:
    """The lake key of one version: `{dataset_id}/v{version}/data.{extension}`."""
    if DATASET_ID.fullmatch(dataset_id) is None or version < 1:
        raise ValueError(f"not a dataset version: {dataset_id!r} v{version}")
    return f"{dataset_id}/v{version}/data.{extension}"


def archive_key(key: str, *, etag: str, rejected: bool = False) -> str:
    """Where a manifest object is kept after its run is recorded.

    The folder is a digest of (key, ETag), so another upload never lands on this one and a repeated move
    finds its own result. The file keeps its name for people, shortened from the left where it must be.
    """
    folder = "archive/rejected" if rejected else "archive"
    name = key.rpartition("/")[2].encode()[-_SEGMENT_BYTES:].decode(errors="ignore")
    return f"{folder}/{_digest(key, _bare(etag), length=32)}/{name}"


def ingest_name(key: str, *, etag: str) -> str:
    """The DatasetIngest made for a manifest object: a DNS-1123 label, one per (key, ETag)."""
    stem = key.rpartition("/")[2].rpartition(".")[0]
    digest = _digest(key, _bare(etag), length=20)
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower())[: _LABEL_CHARACTERS - len(digest) - 1].strip("-")
    return f"{slug or 'manifest'}-{digest}"


def _run_uuid(run: str) -> uuid.UUID:
    parsed = uuid.UUID(run)
    if str(parsed) != run:
        raise ValueError(f"not a run id in its canonical form: {run!r}")
    return parsed


def _bare(etag: str) -> str:
    """An ETag without the quotes that HTTP puts around it and bucket notifications leave out."""
    return etag.strip('"')


def _digest(*parts: str, length: int) -> str:
    # JSON keeps the parts apart whatever they hold.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:length]
