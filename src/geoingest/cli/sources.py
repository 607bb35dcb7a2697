"""From what stands on the command line to an ingest: a manifest is read, data files get one made for them."""

from __future__ import annotations

import getpass
import json
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from geoingest.errors import PermanentError
from geoingest.errors.run import SourceNotFoundError
from geoingest.formats.sniff import sniff
from geoingest.model.ingest import Ingest, parse_ingest
from geoingest.runtime.platform import Platform
from geoingest.stores.objects.directory import link_or_copy
from geoingest_operator.intake import landing_key

# A manifest never is larger; a data file that is smaller gets its first bytes looked at.
MANIFEST_BYTES = 1024 * 1024
MANIFEST_WORDS = (b'"batch_id"', b'"intent"', b'"uploader"', b'"apiVersion"')
INTENTS = {
    "vector": "ingest_vector",
    "archive": "ingest_vector",
    "raster": "ingest_raster",
    "tabular": "ingest_tabular",
}
FILE_TYPES = {"ingest_raster": "raster", "ingest_tabular": "tabular"}
SIDECARS = ("shx", "dbf", "prj", "cpg", "sbn", "sbx", "qpj", "shp.xml")


class SourcesMixedError(PermanentError):
    """The command line names a manifest beside other files, or files of different kinds."""

    code = "SOURCES_MIXED"

    def __init__(self, *, found: str) -> None:
        super().__init__(
            f"one run takes one manifest, or data files of one kind; got {found}",
            hint="run them one after the other, or list the data files inside the manifest",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """What the command line says about data files; null: what the data says, or the default."""

    intent: str | None = None
    dataset_id: str | None = None
    title: str | None = None
    layer: str | None = None
    crs: str | None = None


def find_manifest(platform: Platform, sources: tuple[str, ...]) -> Path | None:
    """The one source when it is a manifest or DatasetIngest; null when the sources are data.

    Raises: SourceNotFoundError; SourcesMixedError: a manifest among others.
    """
    paths = [locate(platform, source) for source in sources]
    manifests = [path for path in paths if is_manifest(path)]
    if manifests and len(paths) > 1:
        raise SourcesMixedError(found=f"{manifests[0].name} and {len(paths) - 1} more")
    return manifests[0] if manifests else None


def locate(platform: Platform, source: str) -> Path:
    """The local path of a source; `s3://bucket/key` lies under the home. Raises: SourceNotFoundError."""
    if source.startswith("s3://"):
        bucket, _, key = source.removeprefix("s3://").partition("/")
        path = platform.settings.home / bucket / key
    else:
        path = Path(source)
    if not path.exists():
        raise SourceNotFoundError(path=source)
    return path


def is_manifest(path: Path) -> bool:
    """Whether the file is meant as a manifest: YAML, or JSON that speaks of a batch and not of features."""
    suffix = path.suffix.lower()
    if suffix in {".yaml", ".yml"}:
        return True
    if suffix != ".json" or path.is_dir() or path.stat().st_size > MANIFEST_BYTES:
        return False
    content = path.read_bytes()
    with suppress(ValueError):
        document = json.loads(content)
        return not (isinstance(document, dict) and "type" in document)
    return any(word in content for word in MANIFEST_WORDS)


def ingest_of_manifest(platform: Platform, path: Path) -> Ingest:
    """The ingest that the file asks for. Raises: ManifestUnreadableError, ManifestInvalidError."""
    return parse_ingest(path.read_bytes(), landing_bucket=platform.settings.landing_bucket)


def ingest_of_files(platform: Platform, sources: tuple[str, ...], options: DataOptions) -> Ingest:
    """The ingest of data files, which are brought to the landing bucket (by hard link where possible).

    Raises: SourceNotFoundError; SourcesMixedError; FormatUnknown and others of `sniff`; ManifestInvalidError: an option
        breaks a rule of the manifest.
    """
    paths = [locate(platform, source) for source in sources]
    sniffed = [sniff(path) for path in paths]
    intents = {options.intent or INTENTS[found.lane] for found in sniffed}
    if len(intents) > 1:
        raise SourcesMixedError(found=", ".join(sorted({found.lane for found in sniffed})))
    [intent] = intents
    batch = secrets.token_hex(8)
    files = [
        {"path": land(platform, path, folder=f"uploads/{batch}/{n}"), "format": found.format}
        for n, (path, found) in enumerate(zip(paths, sniffed, strict=True))
    ]
    return parse_ingest(
        _manifest(files, intent, paths[0], batch, options), landing_bucket=platform.settings.landing_bucket
    )


def _manifest(
    files: list[dict[str, Any]], intent: str, first: Path, batch: str, options: DataOptions
) -> dict[str, Any]:
    extras = {name: value for name in ("layer", "crs") if (value := getattr(options, name)) is not None}
    kind = FILE_TYPES.get(intent, "vector")
    blank = dict.fromkeys(("description", "source", "license", "attribution"), "")
    tags = {"dataset_id": options.dataset_id} if options.dataset_id is not None else {}
    return {
        "batch_id": f"cli-{batch}",
        "uploader": user_name(),
        "intent": intent,
        "files": [file | extras | {"type": kind} for file in files],
        "metadata": {
            "title": options.title if options.title is not None else first.stem,
            **blank,
            "tags": tags,
        },
    }


def user_name() -> str:
    """Who runs the command; `unknown` where the system has no name for them, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def land(platform: Platform, path: Path, *, folder: str) -> str:
    """The `s3://` path of the data in the landing bucket: where it lies already, or where it was brought to now."""
    bucket = platform.settings.landing_bucket
    key = landing_key(platform, path)
    if key is None:
        key = f"{folder}/{path.name}"
        for member in members(path):
            _put(platform, member, f"{folder}/{member.relative_to(path.parent).as_posix()}")
    return f"s3://{bucket}/{key}"


def _put(platform: Platform, path: Path, key: str) -> None:
    bucket = platform.settings.landing_bucket
    if platform.settings.object_store == "directory":
        target = platform.settings.home / bucket / key
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(path, target)
        return
    with tempfile.TemporaryDirectory() as folder:
        # A store may consume the file that it is given; this one is the user's.
        link = Path(folder) / "upload"
        link_or_copy(path, link)
        platform.objects.put(bucket, key, link, content_type="application/octet-stream")


def members(path: Path) -> Iterator[Path]:
    """The file, a Shapefile's sidecars with it, or all files of a folder."""
    if path.is_dir():
        yield from (member for member in sorted(path.rglob("*")) if member.is_file())
        return
    yield path
    if path.suffix.lower() == ".shp":
        stem = path.name[: -len("shp")].lower()
        wanted = {f"{stem}{extension}" for extension in SIDECARS}
        yield from (item for item in sorted(path.parent.iterdir()) if item.name.lower() in wanted)


def identified(ingest: Ingest, *, name: str) -> Ingest:
    """The ingest with an identity of its own: every `geoingest run` is a new one, also of the same file."""
    slug = (
        "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")[:63] or "ingest"
    )
    return replace(ingest, name=ingest.name or slug, uid=secrets.token_hex(16))
