"""Zip archives: judged by their central directory, then the one dataset that is meant is unpacked.

Owns the limits and what counts as a dataset inside. Archives inside archives are not opened, links and paths that lead
outside are refused, and only the chosen dataset's own files are written.
"""

from __future__ import annotations

import contextlib
import errno
import lzma
import re
import shutil
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from geoingest.errors.source import (
    ArchiveAmbiguousError,
    ArchiveDamagedError,
    ArchiveEmptyError,
    ArchiveUnsafeError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_JUNK_NAMES = {".ds_store", "thumbs.db", "desktop.ini"}
_DATASET_SUFFIXES = {
    ".shp", ".gpkg", ".fgb", ".geojson", ".geojsonl", ".geojsons", ".topojson", ".kml", ".gml",
}  # fmt: skip
_GDB_TABLE = "a00000001.gdbtable"
_ALONE_IN_ITS_FILE = {".gpkg", ".fgb", ".geojson", ".geojsonl", ".geojsons", ".topojson", ".kml", ".json"}
_DRIVE = re.compile(r"[A-Za-z]:")
_REGULAR_TYPES = {0, stat.S_IFREG, stat.S_IFDIR}
_ENCRYPTED = 0x1
# What zipfile lets through of a damaged file.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, ValueError,
    OverflowError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an archive may hold.

    `ratio` is unpacked to packed bytes and counts from `ratio_from_bytes` on: sparse DBF and JSON reach 100 to 1,
    a zip bomb 1,000 to 1 and more.
    """

    members: int = 20_000
    total_bytes: int = 32 << 30
    ratio: float = 250.0
    ratio_from_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """A dataset on disk; `layer` is what is still to be chosen inside it, null for nothing."""

    path: Path
    dataset: str
    layer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dataset:
    """One dataset of an archive: where its main file (or folder) will lie and the members that belong to it."""

    main: PurePosixPath
    members: tuple[tuple[PurePosixPath, zipfile.ZipInfo], ...]


def unpack(
    path: Path, into: Path, *, layer: str | None = None, name: str | None = None, limits: Limits | None = None
) -> Unpacked:
    """The one dataset of the zip `path`, written into the empty folder `into`.

    Args: layer: which dataset, by its name without suffix, its file name, or its path in the archive; with one
        dataset only, it is the layer inside that.
    Raises: ArchiveUnsafeError, ArchiveDamagedError, ArchiveEmptyError, ArchiveAmbiguousError.
    """
    shown = name or path.name
    if any(into.iterdir()):
        raise ValueError(f"{into} is not empty")
    with _opened(path, shown) as archive:
        members = _members(archive, path, shown, limits or Limits())
        found = _datasets(members, archive_stem=path.stem)
        chosen, rest = _choose(found, layer, members, shown)
        for target, info in chosen.members:
            _write(archive, info, into / target)
    return Unpacked(path=into / chosen.main, dataset=chosen.main.stem, layer=rest)


def list_members(path: Path, *, name: str, limits: Limits | None = None) -> list[PurePosixPath]:
    """The files of the zip in its own order, junk left out, once its directory has been found harmless.

    Raises: ArchiveUnsafeError, ArchiveDamagedError.
    """
    with _opened(path, name) as archive:
        return list(_members(archive, path, name, limits or Limits()))


def extract_member(path: Path, member: PurePosixPath, target: Path, *, name: str) -> None:
    """Writes one file of the zip (as `list_members` names it) to `target`.

    Raises: ArchiveUnsafeError, ArchiveDamagedError.
    """
    with _opened(path, name) as archive:
        _write(archive, _members(archive, path, name, Limits())[member], target)


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGE as error:
        raise ArchiveDamagedError(name=name, reason=_reason(error)) from error
    except OSError as error:
        # A seek to before the start, or a bad bzip2 stream; a full disk is not the archive's fault.
        if error.errno not in {None, errno.EINVAL}:
            raise
        raise ArchiveDamagedError(name=name, reason=_reason(error)) from error


def _members(
    archive: zipfile.ZipFile, path: Path, name: str, limits: Limits
) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The archive's files by their path, junk and folders left out, once the directory has been found harmless."""
    infos = archive.infolist()
    _check_size(infos, path.stat().st_size, name, limits)
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for info in infos:
        member = _safe_path(info, name)
        if info.is_dir() or _is_junk(member):
            continue
        if member in members:
            raise ArchiveUnsafeError(name=name, reason=f"it holds '{member}' twice")
        members[member] = info
    return members


def _check_size(infos: list[zipfile.ZipInfo], packed_bytes: int, name: str, limits: Limits) -> None:
    if len(infos) > limits.members:
        raise ArchiveUnsafeError(
            name=name, reason=f"it has {len(infos)} members, at most {limits.members} are allowed"
        )
    total = sum(info.file_size for info in infos)
    if total > limits.total_bytes:
        raise ArchiveUnsafeError(
            name=name, reason=f"it unpacks to {total} bytes, at most {limits.total_bytes} are allowed"
        )
    if total > limits.ratio_from_bytes and total > limits.ratio * packed_bytes:
        reason = (
            f"it unpacks to {total / packed_bytes:.0f} times its size, at most {limits.ratio:.0f} are allowed"
        )
        raise ArchiveUnsafeError(name=name, reason=reason)


def _safe_path(info: zipfile.ZipInfo, name: str) -> PurePosixPath:
    # Windows programs write backslashes; `orig_filename` still has what zipfile cuts off at a NUL.
    text = info.orig_filename.replace("\\", "/")
    if stat.S_IFMT(info.external_attr >> 16) not in _REGULAR_TYPES:
        raise ArchiveUnsafeError(name=name, reason=f"'{text}' is a link or a device")
    member = PurePosixPath(text)
    if member.is_absolute() or _DRIVE.match(text) or ".." in member.parts:
        raise ArchiveUnsafeError(name=name, reason=f"'{text}' leads outside")
    if not text.isprintable() or not member.parts:
        raise ArchiveUnsafeError(name=name, reason=f"{text!r} is no file name")
    return member


def _is_junk(member: PurePosixPath) -> bool:
    return (
        "__MACOSX" in member.parts or member.name.lower() in _JUNK_NAMES or member.name.startswith("._")
    )  # fmt: skip


def _datasets(members: dict[PurePosixPath, zipfile.ZipInfo], *, archive_stem: str) -> list[_Dataset]:
    folders = {member.parent for member in members if member.name == _GDB_TABLE}
    found = [_geodatabase(folder, members, archive_stem) for folder in sorted(folders)]
    files = [member for member in members if not folders & {member.parent}]
    mains = [member for member in files if member.suffix.lower() in _DATASET_SUFFIXES]
    # A .json beside a dataset is its metadata; alone it may be GeoJSON.
    mains = mains or ([] if found else [member for member in files if member.suffix.lower() == ".json"])
    found += [_Dataset(main=main, members=tuple(_with_sidecars(main, members))) for main in sorted(mains)]
    return found


def _geodatabase(
    folder: PurePosixPath, members: dict[PurePosixPath, zipfile.ZipInfo], archive_stem: str
) -> _Dataset:
    """A FileGDB: GDAL wants its folder to be called *.gdb, which it is not when only its files were packed."""
    is_named = folder.suffix.lower() == ".gdb"
    main = folder if is_named else folder / f"{archive_stem.removesuffix('.gdb')}.gdb"
    inside = ((member, info) for member, info in members.items() if member.parent == folder)
    return _Dataset(main=main, members=tuple((main / member.name, info) for member, info in inside))


def _with_sidecars(
    main: PurePosixPath, members: dict[PurePosixPath, zipfile.ZipInfo]
) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo]]:
    """The member and its companions: same folder, same name without case, other suffix."""
    for member, info in members.items():
        companion = member.parent == main.parent and member.name.lower().startswith(f"{main.stem.lower()}.")
        if member == main or (companion and main.suffix.lower() not in _ALONE_IN_ITS_FILE):
            yield member, info


def _choose(
    found: list[_Dataset], layer: str | None, members: Iterable[PurePosixPath], name: str
) -> tuple[_Dataset, str | None]:
    if not found:
        raise ArchiveEmptyError(name=name, members=sorted(map(str, members)))
    if len(found) == 1:
        return found[0], layer
    fitting = [one for one in found if layer in {one.main.stem, one.main.name, str(one.main)}]
    if len(fitting) != 1:
        raise ArchiveAmbiguousError(name=name, datasets=_names(found), chosen=layer)
    return fitting[0], None


def _names(found: list[_Dataset]) -> list[str]:
    """Names to choose by: without suffix where that is enough, else the whole path."""
    stems = [one.main.stem for one in found]
    return [one.main.stem if stems.count(one.main.stem) == 1 else str(one.main) for one in found]


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if info.flag_bits & _ENCRYPTED:
        raise NotImplementedError("it is encrypted")
    with archive.open(info) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _reason(error: Exception) -> str:
    if isinstance(error, NotImplementedError):
        encrypted = "encrypted" in str(error)
        return "it is encrypted" if encrypted else "it uses a compression that is not supported (use deflate)"
    return "it is damaged or cut off"
