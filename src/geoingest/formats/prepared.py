"""A vector file made ready for its driver: where it lies, how it is opened, and what its bytes promise to hold."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

EncodingOrigin = Literal["format", "cpg", "ldid", "detected", "manifest", "assumed"]


class Scratch:
    """A new folder of our own, removed when nobody holds it any more or the process ends."""

    __slots__ = ("__weakref__", "path")

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="geoingest-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the driver gets, and what must come out.

    `features` and `null_geometries` are counts told by the file's own structure, null when it tells none;
    `may_be_empty` is false when a layer without rows can only be one that the driver could not open;
    `layer` is the name of the one layer that the format allows, null where the driver lists them;
    `crs` is a CRS text that replaces what the driver says, null leaves it to the driver; `crs_unknown` means that the
    file says its CRS is unknown; `crs_by_format` is what the format means when neither file nor manifest names one;
    `types` are columns (by name) whose type was decided over the whole file.
    """

    path: Path
    driver: str
    options: tuple[tuple[str, str], ...] = ()
    encoding: str = "UTF-8"
    encoding_from: EncodingOrigin = "format"
    recode_from: str | None = None
    layer: str | None = None
    features: int | None = None
    null_geometries: int | None = None
    may_be_empty: bool = True
    crs: str | None = None
    crs_unknown: bool = False
    crs_by_format: str | None = None
    types: dict[str, pa.DataType] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    scratch: Scratch | None = None
