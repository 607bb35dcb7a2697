"""Vector files into the run's transient table: fetched as pinned, read with one driver, brought to one schema."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from geoingest.engines.port import Space
from geoingest.errors.source import NotVectorError
from geoingest.formats.archive import unpack
from geoingest.formats.crs import check_coordinates, crs_name, resolve_crs
from geoingest.formats.schemas import Merged, merge_schemas
from geoingest.formats.sniff import check_declared, sniff
from geoingest.formats.vector_files import VectorLayer, open_layer, read_batches
from geoingest.model.run import Source, SourceMember
from geoingest.recipes import Recipe
from geoingest.runtime.faults import reached
from geoingest.runtime.stage import StageResult, Task, library_versions

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFile:
    """One object on local disk, and what will be its hash."""

    member: SourceMember
    path: Path
    sha256: Future[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A source on local disk: the file or folder to open, and the objects it consists of."""

    source: Source
    path: Path
    files: tuple[FetchedFile, ...]


def load(task: Task) -> StageResult:
    """Load every source of the plan as one part each.

    Facts: rows, parts (name, rows, crs, types, layer), source_files, header_mapping (renamed attributes or null).
    """
    recipe = Recipe.model_validate(task.run.plan.recipe)
    with ThreadPoolExecutor(1, thread_name_prefix="sha256") as hasher:
        fetched = [fetch_source(task, n, source, hasher) for n, source in enumerate(task.run.plan.sources)]
        layers = [open_fetched(item) for item in fetched]
        merged = merge_schemas(layers, allow_missing_fields=recipe.allow_missing_fields)
        space = task.space()
        parts = load_parts(task, space, layers, merged)
        files = [file for item in fetched for file in _source_files(item)]
    rows = sum(part["rows"] for part in parts)
    facts: dict[str, Any] = {
        "rows": rows,
        "parts": parts,
        "source_files": files,
        "header_mapping": _renamed(merged),
    }
    facts["libraries"] = library_versions("pyogrio", "pyarrow")
    warnings = tuple(warning for layer in layers for warning in layer.warnings)
    return StageResult(facts=facts, summary={"rows": rows, "files": len(files)}, warnings=warnings)


def fetch_source(task: Task, number: int, source: Source, hasher: ThreadPoolExecutor) -> Fetched:
    """Bring the source's objects, as pinned, into a folder of their own; their hashes are made meanwhile.

    Raises: SourceNotFoundError, SourceChangedError.
    """
    main = _key(source.path, task.landing_bucket)
    folder = task.work_dir / "in" / str(number)
    files = []
    for member in source.members:
        key = _key(member.path, task.landing_bucket)
        target = folder / PurePosixPath(key).relative_to(PurePosixPath(main).parent)
        reached("load.fetch.before")
        task.objects.fetch(task.landing_bucket, key, target, etag=member.etag)
        reached("load.fetch.after")
        files.append(FetchedFile(member=member, path=target, sha256=hasher.submit(_sha256, target)))
    return Fetched(source=source, path=folder / PurePosixPath(main).name, files=tuple(files))


def open_fetched(fetched: Fetched) -> VectorLayer:
    """The layer that the source means, its features unread. An archive is unpacked beside it.

    Raises: PermanentError: not a vector file, not the declared format, or what `open_layer` refuses.
    """
    source = fetched.source
    name = PurePosixPath(source.path).name
    sniffed = sniff(fetched.path, name=name)
    check_declared(sniffed, declared=source.format, name=name)
    path, layer = fetched.path, source.layer
    if sniffed.lane == "archive":
        into = fetched.path.with_name("unpacked")
        into.mkdir()
        unpacked = unpack(path, into, layer=layer, name=name)
        path, layer = unpacked.path, unpacked.layer
        sniffed = sniff(path, name=f"{name}/{path.name}")
        check_declared(sniffed, declared=source.format, name=name)
    if sniffed.lane != "vector":
        raise NotVectorError(name=name, found=sniffed.format)
    return open_layer(
        path,
        sniffed,
        layer=layer,
        crs=source.crs,
        force_crs=source.force_crs,
        encoding=source.encoding,
        name=name,
    )


def load_parts(task: Task, space: Space, layers: list[VectorLayer], merged: Merged) -> list[dict[str, Any]]:
    """Write every layer as one part, brought to the merged schema; what each came to."""
    expected = _total(layers)
    parts, done = [], 0
    for number, layer in enumerate(layers):
        rows = (merged.conform(number, batch) for batch in read_batches(layer))
        batches = _watched(rows, task, done=done, expected=expected)
        reached("load.part.before")
        written = space.write(number, schema=merged.schema, crs=layer.crs, batches=batches)
        reached("load.part.after")
        crs = resolve_crs(layer.crs)
        if written.bounds is not None:
            check_coordinates(crs, written.bounds, name=layer.name)
        done += written.rows
        parts.append(
            {
                "name": layer.name,
                "layer": layer.layer,
                "rows": written.rows,
                "types": list(written.types),
                "crs_name": crs_name(crs),
                "crs_from": layer.crs_from,
                "encoding": layer.encoding,
                "encoding_from": layer.encoding_from,
            }
        )
    return parts


def _watched(
    batches: Iterable[pa.RecordBatch], task: Task, *, done: int, expected: int | None
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        done += batch.num_rows
        task.on_rows(done, expected)


def _total(layers: list[VectorLayer]) -> int | None:
    counts = [layer.features for layer in layers if layer.features is not None]
    return sum(counts) if len(counts) == len(layers) else None


def _source_files(fetched: Fetched) -> Iterator[dict[str, Any]]:
    return ({**file.member.model_dump(), "sha256": file.sha256.result()} for file in fetched.files)


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _key(path: str, bucket: str) -> str:
    return path.removeprefix(f"s3://{bucket}/")


def _renamed(merged: Merged) -> list[tuple[str, str]] | None:
    return [pair for pair in merged.renamed if pair[0] != pair[1]] or None
