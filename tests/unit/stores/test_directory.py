"""The object store in a folder."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoingest.errors.run import (
    ObjectKeyInvalidError,
    SourceChangedError,
    SourceNotFoundError,
    StoreUnavailableError,
)
from geoingest.stores.objects.directory import DirectoryObjects


@pytest.fixture
def objects(tmp_path):
    return DirectoryObjects(tmp_path / "home")


def put(objects, tmp_path, key, content=b"data", bucket="lake"):
    path = tmp_path / "upload"
    path.write_bytes(content)
    return objects.put(bucket, key, path, content_type="x")


def test_what_was_put_is_headed_listed_and_fetched(objects, tmp_path):
    info = put(objects, tmp_path, "a/v1/data.parquet")
    assert (info.size_bytes, info.uri) == (4, "s3://lake/a/v1/data.parquet")
    assert objects.head("lake", "a/v1/data.parquet") == info
    assert list(objects.list("lake", "a/")) == [info]
    assert objects.fetch("lake", "a/v1/data.parquet", tmp_path / "got", etag=info.etag) == info
    assert (tmp_path / "got").read_bytes() == b"data"


def test_a_listing_is_in_key_order_and_by_prefix(objects, tmp_path):
    for key in ("b", "a/2", "a/10", "ab"):
        put(objects, tmp_path, key)
    assert [info.key for info in objects.list("lake", "a")] == ["a/10", "a/2", "ab"]
    assert list(objects.list("nowhere", "")) == []


def test_putting_again_replaces_and_gives_another_etag(objects, tmp_path):
    first = put(objects, tmp_path, "k", b"one")
    second = put(objects, tmp_path, "k", b"three")
    assert first.etag != second.etag
    with pytest.raises(SourceChangedError):
        objects.fetch("lake", "k", tmp_path / "got", etag=first.etag)


def test_what_is_not_there_is_said(objects, tmp_path):
    assert objects.head("lake", "k") is None
    objects.delete("lake", "k")
    objects.move("lake", "k", "other")
    with pytest.raises(SourceNotFoundError, match="s3://lake/k"):
        objects.fetch("lake", "k", tmp_path / "got")


def test_a_move_keeps_the_content_and_a_delete_leaves_no_empty_folder(objects, tmp_path):
    put(objects, tmp_path, "a/b/c")
    objects.move("lake", "a/b/c", "x/y")
    assert [info.key for info in objects.list("lake", "")] == ["x/y"]
    objects.delete("lake", "x/y")
    assert not (tmp_path / "home" / "lake" / "x").exists()


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\0b", "a\\..\\b"])
def test_a_key_that_leaves_its_bucket_is_refused(objects, key):
    with pytest.raises(ObjectKeyInvalidError):
        objects.head("lake", key)


def test_a_link_out_of_the_bucket_is_not_followed(objects, tmp_path):
    put(objects, tmp_path, "k")
    (tmp_path / "secret").mkdir()
    (tmp_path / "home" / "lake" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ObjectKeyInvalidError):
        objects.head("lake", "link/file")


@given(st.text(min_size=1, max_size=40))
def test_no_key_whatsoever_names_a_file_outside_its_bucket(tmp_path_factory, key):
    objects = DirectoryObjects(tmp_path_factory.getbasetemp() / "home")
    try:
        path = objects.path("lake", key)
    except ObjectKeyInvalidError:
        return
    assert os.path.normpath(path).startswith(str(objects.root / "lake") + os.sep)


def test_a_store_that_cannot_be_written_is_a_transient_error(tmp_path):
    (tmp_path / "home").write_text("a file, not a folder")
    with pytest.raises(StoreUnavailableError):
        put(DirectoryObjects(tmp_path / "home"), tmp_path, "k")
