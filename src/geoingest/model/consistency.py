"""Rules between the fields of a manifest, on the plain document: they are told even where a field is wrong.

Works on whatever part of the document has the right shape and skips the rest, whose shape is a problem
of its own. So one bad field never hides that the files do not fit the intent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from geoingest.errors import Problem
from geoingest.model.document import shown
from geoingest.model.door import SPELL
from geoingest.naming import DATASET_ID, source_uri
from geoingest.routing import INTENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoingest.model.door import Spelling
    from geoingest.routing import Route

_FILE_TYPES: Final = {route.file_type for route in INTENTS.values()} - {None}


def consistency_problems(document: Mapping[str, Any], spelling: Spelling) -> tuple[Problem, ...]:
    """What does not fit together in a manifest document.

    Args: document: plain JSON values, not validated; spelling: of its keys, and of the paths returned.
    """
    intent = document.get("intent")
    files = document.get("files", ())
    found = [*_metadata_problems(document)]
    if isinstance(files, list | tuple):
        found += _file_problems(files, spelling)
    if isinstance(intent, str) and intent in INTENTS:
        found += _intent_problems(intent, document, spelling)
    return tuple(found)


def _intent_problems(intent: str, document: Mapping[str, Any], spelling: Spelling) -> Iterator[Problem]:
    route, files = INTENTS[intent], document.get("files", ())
    if isinstance(files, list | tuple):
        yield from _count_problems(intent, route, len(files))
        yield from _type_problems(intent, route, files)
    if document.get("recipe") is not None and route.recipe is None:
        yield Problem(
            path="recipe", message=f"got a recipe, expected none: intent {intent} applies no recipe"
        )
    metadata, key = document.get("metadata"), SPELL[spelling]("join_config")
    if route.lane == "join" and isinstance(metadata, Mapping) and metadata.get(key) is None:
        message = f"got nothing, expected a mapping: intent {intent} needs to know what to join"
        yield Problem(path=f"metadata.{key}", message=message)


def _count_problems(intent: str, route: Route, count: int) -> Iterator[Problem]:
    if route.file_type is None and count:
        message = f"got {_files(count)}, expected none: intent {intent} reads datasets, not files"
        yield Problem(path="files", message=message)
    elif route.lane == "tabular" and count != 1:
        yield Problem(path="files", message=f"Tabular ingestion requires exactly one file, got {count}")
    elif route.file_type is not None and not count:
        yield Problem(
            path="files", message=f"got no files, expected at least one: intent {intent} reads files"
        )


def _type_problems(intent: str, route: Route, files: Sequence[Any]) -> Iterator[Problem]:
    for index, file in enumerate(files):
        found = file.get("type") if isinstance(file, Mapping) else None
        # A type that is no type at all is told by its own field.
        known = isinstance(found, str) and found in _FILE_TYPES
        if route.file_type is None or not known or found == route.file_type:
            continue
        expected = f"expected {route.file_type}: intent {intent} takes {route.file_type} files"
        yield Problem(path=f"files[{index}].type", message=f"got {found!r}, {expected}")


def _file_problems(files: Sequence[Any], spelling: Spelling) -> Iterator[Problem]:
    force_key, first = SPELL[spelling]("force_crs"), dict[str, int]()
    for index, file in enumerate(files):
        if not isinstance(file, Mapping):
            continue
        if file.get(force_key) is True and file.get("crs") is None:
            yield Problem(path=f"files[{index}].{force_key}", message="got true, expected a crs beside it")
        uri = _uri_or_none(file.get("path"))
        if uri is not None and first.setdefault(uri, index) != index:
            message = f"got {shown(uri)} again, expected each file once: files[{first[uri]}] is the same"
            yield Problem(path=f"files[{index}].path", message=message)


def _metadata_problems(document: Mapping[str, Any]) -> Iterator[Problem]:
    metadata = document.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
    chosen = tags.get("dataset_id") if isinstance(tags, Mapping) else None
    path = "metadata.tags.dataset_id"
    if isinstance(chosen, bool | int | float):
        yield Problem(path=path, message=f"got {shown(chosen)}, expected a string")
    elif isinstance(chosen, str) and chosen.strip() and DATASET_ID.fullmatch(chosen.strip()) is None:
        yield Problem(path=path, message=f"got {shown(chosen)}, expected a dataset id ({DATASET_ID.pattern})")


def _uri_or_none(path: object) -> str | None:
    try:
        return source_uri(path, landing_bucket=None) if isinstance(path, str) else None
    except ValueError:
        return None


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
