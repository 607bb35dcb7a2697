"""Errors of reading sources: what the bytes are, whether they are whole, their layers, CRS and fields.

All are permanent: the same file fails the same way. `name` is always what the user called the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from geoingest.errors import PermanentError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

_LISTED = 20


def listed(words: Sequence[str]) -> str:
    """The words in quotes, comma separated; of a long list the first 20 and how many more there are."""
    shown = ", ".join(f"'{word}'" for word in words[:_LISTED])
    more = len(words) - _LISTED
    return f"{shown} and {more} more" if more > 0 else shown


class FormatUnknownError(PermanentError):
    """The bytes are none of the formats geoingest reads, whatever the file's name says."""

    code: ClassVar[str] = "FORMAT_UNKNOWN"

    def __init__(self, *, name: str, seen: str, supported: Sequence[str]) -> None:
        super().__init__(
            f"{name}: the format was not recognised; found {seen}",
            hint=f"Formats are told by their bytes, not by the file's name. Supported: {', '.join(supported)}.",
        )


class FormatMismatchError(PermanentError):
    """The manifest names a known format and the bytes are another one."""

    code: ClassVar[str] = "FORMAT_MISMATCH"

    def __init__(self, *, name: str, declared: str, found: str) -> None:
        super().__init__(
            f"{name}: declared as '{declared}', but the bytes are {found}",
            hint=f"Correct the file's `format` to {found}, or deliver the file that was meant.",
        )


class XmlDoctypeError(PermanentError):
    """An XML file declares a document type: that is how entity bombs and file disclosure arrive."""

    code: ClassVar[str] = "XML_DOCTYPE"

    def __init__(self, *, name: str) -> None:
        super().__init__(
            f"{name}: XML with a DOCTYPE is not read",
            hint="Remove the <!DOCTYPE ...> declaration; KML and GML need none.",
        )


class SourceEmptyError(PermanentError):
    """The file has no bytes at all."""

    code: ClassVar[str] = "SOURCE_EMPTY"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"{name}: the file is empty (0 bytes)", hint="Upload the file again.")


class SourceUnreadableError(PermanentError):
    """The file is damaged, truncated, or holds something its format does not allow: reading it would lose data."""

    code: ClassVar[str] = "SOURCE_UNREADABLE"

    def __init__(self, *, name: str, reason: str) -> None:
        super().__init__(
            f"{name}: {reason}",
            hint="Open and export the file again in the program that made it; a partly read file is never accepted.",
        )


class EncodingUnknownError(PermanentError):
    """The text of the file fits no known encoding, or the named encoding does not exist or does not fit."""

    code: ClassVar[str] = "ENCODING_UNKNOWN"

    def __init__(self, *, name: str, reason: str) -> None:
        super().__init__(
            f"{name}: {reason}", hint="Name the file's `encoding`, for example 'cp1252' or 'UTF-8'."
        )


class ArchiveUnsafeError(PermanentError):
    """The archive could do harm when unpacked: too large, too many members, links, or paths that lead outside."""

    code: ClassVar[str] = "ARCHIVE_UNSAFE"

    def __init__(self, *, name: str, reason: str) -> None:
        super().__init__(
            f"{name}: not unpacked, because {reason}",
            hint="Pack only the dataset's own files, without links or nested archives, or deliver them unpacked.",
        )


class ArchiveDamagedError(PermanentError):
    """The archive cannot be unpacked as it is: truncated, encrypted, or packed in a way nobody else uses."""

    code: ClassVar[str] = "ARCHIVE_DAMAGED"

    def __init__(self, *, name: str, reason: str) -> None:
        super().__init__(f"{name}: cannot be unpacked: {reason}", hint="Pack the files again as a plain zip.")


class ArchiveEmptyError(PermanentError):
    """The archive holds no dataset of a supported format."""

    code: ClassVar[str] = "ARCHIVE_EMPTY"

    def __init__(self, *, name: str, members: Sequence[str]) -> None:
        found = f"found {listed(members)}" if members else "found no files"
        super().__init__(
            f"{name}: the archive holds no dataset; {found}",
            hint="Pack a shapefile, GeoPackage, FlatGeobuf, GeoJSON, KML, GML or a *.gdb folder.",
        )


class ArchiveAmbiguousError(PermanentError):
    """The archive holds several datasets and nothing says which one is meant."""

    code: ClassVar[str] = "ARCHIVE_AMBIGUOUS"

    def __init__(self, *, name: str, datasets: Sequence[str], chosen: str | None = None) -> None:
        wanted = f"and none, or more than one, is called '{chosen}'" if chosen else "and one must be chosen"
        super().__init__(
            f"{name}: the archive holds {len(datasets)} datasets, {wanted}: {listed(datasets)}",
            hint="Set the file's `layer` (--layer) to one of them, or deliver each dataset in a file of its own.",
        )


class LayerAmbiguousError(PermanentError):
    """The file holds several layers and nothing says which one is meant."""

    code: ClassVar[str] = "LAYER_AMBIGUOUS"

    def __init__(self, *, name: str, layers: Sequence[str]) -> None:
        super().__init__(
            f"{name}: has {len(layers)} layers, one must be chosen: {listed(layers)}",
            hint="Set the file's `layer` in the manifest, or --layer, to one of them.",
        )


class LayerNotFoundError(PermanentError):
    """The chosen layer is not in the file, or the file has no layer with geometry at all."""

    code: ClassVar[str] = "LAYER_NOT_FOUND"

    def __init__(self, *, name: str, layer: str | None, layers: Sequence[str]) -> None:
        wanted = f"no layer '{layer}'" if layer else "no layer with geometry"
        super().__init__(
            f"{name}: has {wanted}; known layers: {listed(layers) or 'none'}",
            hint="Set the file's `layer` in the manifest, or --layer, to one of the known layers.",
        )


class CrsMissingError(PermanentError):
    """The data names no coordinate reference system and the manifest gives none: it is never guessed."""

    code: ClassVar[str] = "CRS_MISSING"

    def __init__(self, *, name: str, layer: str) -> None:
        super().__init__(
            f"{name}: layer '{layer}' has no coordinate reference system",
            hint="Set the file's `crs` in the manifest, or --crs, such as EPSG:28355; or deliver a shapefile's .prj.",
        )


class CrsUnknownError(PermanentError):
    """A CRS text is neither AUTHORITY:CODE, WKT nor PROJJSON, or names something that is not known."""

    code: ClassVar[str] = "CRS_UNKNOWN"

    def __init__(self, *, text: str) -> None:
        short = text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - one line of a terminal
        super().__init__(
            f"not a known coordinate reference system: {short!r}",
            hint="Write AUTHORITY:CODE, for example 'EPSG:4326', or WKT2 or PROJJSON.",
        )


class CoordsOutOfRangeError(PermanentError):
    """The coordinates cannot belong to the CRS: most often the CRS is wrong or x and y are exchanged."""

    code: ClassVar[str] = "COORDS_OUT_OF_RANGE"

    def __init__(
        self, *, name: str, crs: str, bounds: tuple[float, float, float, float], expected: str
    ) -> None:
        west, south, east, north = bounds
        super().__init__(
            f"{name}: its bounds (west {west:g}, south {south:g}, east {east:g}, north {north:g}) cannot belong to "
            f"{crs}: expected {expected}",
            hint="Check the data's CRS (`crs` with `force_crs` replaces it) and the order of its coordinates: x, y.",
        )


class FieldsDifferError(PermanentError):
    """The files of one dataset do not have the same fields."""

    code: ClassVar[str] = "FIELDS_DIFFER"

    def __init__(self, *, problems: Sequence[Problem]) -> None:
        super().__init__(
            "the files do not have the same fields: " + "; ".join(str(problem) for problem in problems),
            hint="Deliver files with the same fields, or set `allow_missing_fields` to fill what is missing with null.",
            problems=tuple(problems),
        )


class FieldTypesDifferError(PermanentError):
    """A field has types in different files that no common type holds exactly."""

    code: ClassVar[str] = "FIELD_TYPES_DIFFER"

    def __init__(self, *, field: str, types: Sequence[tuple[str, str]]) -> None:
        shown = ", ".join(f"{kind} in {file}" for file, kind in types)
        super().__init__(
            f"field '{field}' has types that do not go together: {shown}",
            hint="Give the field one type in every file.",
        )


class ValueInexactError(PermanentError):
    """A value would change when its field is promoted to the common type of all files."""

    code: ClassVar[str] = "VALUE_INEXACT"

    def __init__(self, *, name: str, field: str, found: str, target: str) -> None:
        super().__init__(
            f"{name}: field '{field}' has {found} values that {target} does not hold exactly",
            hint="Give the field one type in every file; text holds every number exactly.",
        )


class NotVectorError(PermanentError):
    """The manifest says vector, the bytes are of another kind."""

    code = "SOURCE_NOT_VECTOR"

    def __init__(self, *, name: str, found: str) -> None:
        super().__init__(
            f"{name}: found {found}, expected a vector format",
            hint="use the intent that fits the file: ingest_raster for rasters, ingest_tabular for tables",
        )
