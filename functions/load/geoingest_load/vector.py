"""Vector files into the run's transient table: fetched as pinned, read with one driver, brought to one schema."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from geoingest.engines.port import GEOMETRY, Space
from geoingest.formats.crs import check_coordinates, crs_name, resolve_crs
from geoingest.formats.schemas import MergedSchema, conform, merge_schemas
from geoingest.formats.vector_files import VectorLayer, open_source, read_batches
from geoingest.model.run import Source
from geoingest.recipes import Recipe
from geoingest.runtime.stage import StageResult, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A source on local disk: the file or folder to open, and its objects with the futures of their hashes."""

    source: Source
    path: Path
    hashes: tuple[Future[str], ...]


def load(task: Task) -> StageResult:
    """Load every source of the plan as one part each.

    Facts: rows, parts (name, rows, crs, types, layer), source_files, header_mapping (renamed attributes or null).
    """
    recipe = Recipe.model_validate(task.run.plan.recipe)
    with ThreadPoolExecutor(1, thread_name_prefix="sha256") as hasher:
        fetched = [fetch_source(task, n, source, hasher) for n, source in enumerate(task.run.plan.sources)]
        layers = [open_fetched(task, n, item) for n, item in enumerate(fetched)]
        merged = merge_schemas(layers, allow_missing_fields=recipe.allow_missing_fields)
        space = task.space()
        parts = load_parts(task, space, layers, merged)
        files = [file for item in fetched for file in _source_files(item)]
    rows = sum(part["rows"] for part in parts)
    facts = {"rows": rows, "parts": parts, "source_files": files, "header_mapping": _renamed(merged)}
    warnings = tuple(warning for layer in layers for warning in layer.warnings)
    return StageResult(facts=facts, summary={"rows": rows, "files": len(files)}, warnings=warnings)
