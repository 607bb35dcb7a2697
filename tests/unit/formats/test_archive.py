from __future__ import annotations

import contextlib
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sources
from geoingest.errors import PermanentError
from geoingest.errors.source import (
    ArchiveAmbiguousError,
    ArchiveDamagedError,
    ArchiveEmptyError,
    ArchiveUnsafeError,
)
from geoingest.formats.archive import Limits, Unpacked, unpack
from geoingest.formats.sniff import sniff
from geoingest.formats.vector_files import open_layer, read_batches


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def pack(folder: Path, *members: str | zipfile.ZipInfo, content: bytes = b"x") -> Path:
    path = folder / "delivery.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(member, content)
    return path


def files_in(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("file_format", ["shp.zip", "gdb.zip"])
def test_the_dataset_of_an_archive_is_read(file_format, tmp_path, out):
    found = unpack(sources.write_sample(file_format, tmp_path), out)
    layer = open_layer(found.path, sniff(found.path))
    assert sum(len(batch) for batch in read_batches(layer)) == len(sources.ROWS)


def test_a_shapefile_comes_with_its_companions_and_nothing_else(tmp_path, out):
    path = pack(tmp_path, "a/b/x.shp", "a/b/X.DBF", "a/b/x.shp.xml", "a/b/y.dbf", "a/x.prj", "readme.txt")
    assert unpack(path, out) == Unpacked(path=out / "a/b/x.shp", dataset="x", layer=None)
    assert files_in(out) == ["a/b/X.DBF", "a/b/x.shp", "a/b/x.shp.xml"]


def test_junk_is_ignored(tmp_path, out):
    path = pack(
        tmp_path, "x.gpkg", "__MACOSX/._x.gpkg", "__MACOSX/y.gpkg", ".DS_Store", "Thumbs.db", "._x.gpkg"
    )
    assert unpack(path, out).path == out / "x.gpkg"


def test_backslashes_of_windows_are_folders(tmp_path, out):
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = "a\\x.gpkg"
    assert unpack(pack(tmp_path, info), out).path == out / "a/x.gpkg"


def test_a_geodatabase_packed_without_its_folder_gets_one(tmp_path, out):
    inside = sources.write_sample("gdb", tmp_path / "in")
    found = unpack(sources.zip_folder(inside, tmp_path / "roads.zip"), out)
    assert (found.path, sniff(found.path).format) == (out / "roads.gdb", "filegdb")
    assert open_layer(found.path, sniff(found.path)).layer == "places"


def test_a_lone_json_is_taken_and_one_beside_a_dataset_is_not(tmp_path, out):
    assert unpack(pack(tmp_path, "x.json"), out).path == out / "x.json"
    (out / "x.json").unlink()
    assert unpack(pack(tmp_path, "x.json", "y.gpkg"), out).path == out / "y.gpkg"


def test_several_datasets_are_refused_with_the_list(tmp_path, out):
    with pytest.raises(ArchiveAmbiguousError, match="'a', 'b'"):
        unpack(pack(tmp_path, "a.shp", "a.dbf", "d/b.shp"), out)
    assert files_in(out) == []


@pytest.mark.parametrize("layer", ["b", "b.shp", "d/b.shp"])
def test_a_dataset_is_chosen_by_name(layer, tmp_path, out):
    path = pack(tmp_path, "a.shp", "a.dbf", "d/b.shp", "d/b.dbf")
    assert unpack(path, out, layer=layer) == Unpacked(path=out / "d/b.shp", dataset="b", layer=None)
    assert files_in(out) == ["d/b.dbf", "d/b.shp"]


def test_equal_names_are_told_apart_by_their_path(tmp_path, out):
    path = pack(tmp_path, "1/a.shp", "2/a.shp")
    with pytest.raises(ArchiveAmbiguousError, match=r"'1/a\.shp', '2/a\.shp'"):
        unpack(path, out, layer="a")
    assert unpack(path, out, layer="2/a.shp").path == out / "2/a.shp"


def test_with_one_dataset_the_layer_is_left_to_it(tmp_path, out):
    assert unpack(pack(tmp_path, "a.gpkg"), out, layer="roads").layer == "roads"


@pytest.mark.parametrize(
    "members", [(), ("readme.txt",), ("inner.zip",), ("__MACOSX/a.shp",), ("a.dbf", "a.shx")]
)
def test_an_archive_without_a_dataset_says_what_it_holds(members, tmp_path, out):
    with pytest.raises(ArchiveEmptyError):
        unpack(pack(tmp_path, *members), out)


def link(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "member",
    [
        pytest.param("../x.gpkg", id="parent"),
        pytest.param("a/../../x.gpkg", id="parent inside"),
        pytest.param("a\\..\\..\\x.gpkg", id="parent with backslashes"),
        pytest.param("/etc/x.gpkg", id="absolute"),
        pytest.param("C:/x.gpkg", id="drive"),
        pytest.param("\\\\host\\x.gpkg", id="share"),
        pytest.param("a\nb.gpkg", id="control character"),
        pytest.param(link("x.gpkg", stat.S_IFLNK), id="link"),
        pytest.param(link("x.gpkg", stat.S_IFIFO), id="pipe"),
        pytest.param(link("x.gpkg", stat.S_IFCHR), id="device"),
    ],
)
def test_members_that_lead_outside_are_refused_and_nothing_is_written(member, tmp_path, out):
    with pytest.raises(ArchiveUnsafeError):
        unpack(pack(tmp_path, "a.gpkg", member), out)
    assert files_in(tmp_path) == ["delivery.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path, out):
    with pytest.raises(ArchiveUnsafeError, match="twice"):
        unpack(pack(tmp_path, "a.gpkg", "a.gpkg"), out)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        pytest.param(Limits(members=1), "2 members", id="count"),
        pytest.param(Limits(total_bytes=1999), "2000 bytes", id="size"),
        pytest.param(Limits(ratio=2.0, ratio_from_bytes=0), "times its size", id="ratio"),
    ],
)
def test_limits_hold_before_anything_is_written(limits, reason, tmp_path, out):
    with pytest.raises(ArchiveUnsafeError, match=reason):
        unpack(pack(tmp_path, "a.gpkg", "b.txt", content=bytes(1000)), out, limits=limits)
    assert files_in(out) == []


def test_a_bomb_is_refused(tmp_path, out):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.gpkg", "w") as file:
        for _ in range(300):
            file.write(bytes(1 << 20))
    with pytest.raises(ArchiveUnsafeError, match="times its size"):
        unpack(path, out)


def test_a_member_larger_than_it_says_is_damage_and_not_read_on(tmp_path, out):
    path = pack(tmp_path, "a.gpkg", content=bytes(100_000))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<I", 10)
    path.write_bytes(content)
    with pytest.raises(ArchiveDamagedError):
        unpack(path, out)
    assert sum((out / file).stat().st_size for file in files_in(out)) <= 10


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_archive_is_damaged(share, tmp_path, out):
    path = sources.write_sample("shp.zip", tmp_path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ArchiveDamagedError):
        unpack(path, out)


def test_an_encrypted_archive_says_so(tmp_path, out):
    path = pack(tmp_path, "a.gpkg")
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveDamagedError, match="encrypted"):
        unpack(path, out)


def test_the_target_folder_must_be_empty(tmp_path):
    with pytest.raises(ValueError, match="not empty"):
        unpack(pack(tmp_path, "a.gpkg"), tmp_path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    damage=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
    data=st.data(),
)
def test_random_damage_is_an_error_of_ours_or_unpacks_inside(damage, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("zip")
    path = pack(folder, "a/x.shp", "a/x.dbf", content=b"some content " * 20)
    content = bytearray(path.read_bytes())
    for at, value in damage:
        content[at % len(content)] = value
    path.write_bytes(content)
    (folder / "out").mkdir()
    with contextlib.suppress(PermanentError):
        unpack(path, folder / "out")
    assert {file for file in files_in(folder) if not file.startswith("out/")} == {"delivery.zip"}
