"""KMZ: a zip around one KML document, which is taken out under the limits of every other archive."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from geoingest.errors.source import ArchiveEmptyError
from geoingest.formats.archive import extract_member, list_members
from geoingest.formats.prepared import Scratch


def unpack_kmz(path: Path, *, name: str) -> tuple[Path, Scratch, tuple[str, ...]]:
    """(the main document, the folder of our own that holds it, warnings).

    Source: OGC 12-007r2, annex C: the main document is doc.kml, or else the first KML file at the archive's root.
    Raises: ArchiveUnsafeError, ArchiveDamagedError, ArchiveEmptyError.
    """
    members = list_members(path, name=name)
    documents = [member for member in members if member.suffix.lower() == ".kml"]
    main = PurePosixPath("doc.kml")
    if main not in documents:
        at_root = [member for member in documents if len(member.parts) == 1]
        if not at_root:
            raise ArchiveEmptyError(name=name, members=sorted(map(str, members)))
        main = at_root[0]
    scratch = Scratch()
    document = scratch.path / f"{path.stem}.kml"
    extract_member(path, main, document, name=name)
    others = tuple(str(member) for member in documents if member != main)
    linked = (f"{name}: only the main document was read, not {', '.join(others[:10])}",) if others else ()
    return document, scratch, linked
