"""The object store in a folder: the contract, and what only a folder can do."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoingest.errors.run import ObjectKeyInvalidError, StoreUnavailableError
from geoingest.stores.objects.directory import DirectoryObjects
from suites.objects import ObjectsContract


@pytest.fixture
def objects(tmp_path):
    return DirectoryObjects(tmp_path / "home")


def put(objects, tmp_path, key):
    path = tmp_path / "upload"
    path.write_bytes(b"data")
    return objects.put("lake", key, path, content_type="x")


class TestObjects(ObjectsContract):
    @pytest.fixture
    def bucket(self):
        return "lake"


def test_a_bucket_that_was_never_written_is_empty(objects):
    assert list(objects.list("nowhere", "")) == []


def test_a_delete_leaves_no_empty_folder(objects, tmp_path):
    put(objects, tmp_path, "x/y/z")
    objects.delete("lake", "x/y/z")
    assert not (tmp_path / "home" / "lake" / "x").exists()


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
