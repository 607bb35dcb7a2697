"""The contract of the object store's port: what every adapter must do.

A subclass gives the fixtures `objects` and `bucket` (the name of an empty one).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from geoingest.errors.run import ObjectKeyInvalidError, SourceChangedError, SourceNotFoundError


class ObjectsContract:
    @pytest.fixture
    def put(self, objects, bucket, tmp_path):
        def put(key, content=b"data"):
            path = tmp_path / "upload"
            path.write_bytes(content)
            return objects.put(bucket, key, path, content_type="application/octet-stream")

        return put

    def test_what_was_put_is_headed_listed_and_fetched(self, objects, bucket, put, tmp_path):
        info = put("a/v1/data.parquet")
        assert (info.size_bytes, info.uri) == (4, f"s3://{bucket}/a/v1/data.parquet")
        assert abs(info.modified_at - datetime.now(UTC)) < timedelta(minutes=1)
        head = objects.head(bucket, "a/v1/data.parquet")
        assert head == info
        [listed] = objects.list(bucket, "a/")
        assert (listed.key, listed.etag, listed.size_bytes) == (info.key, info.etag, 4)
        fetched = objects.fetch(bucket, "a/v1/data.parquet", tmp_path / "in" / "got", etag=info.etag)
        assert fetched == info
        assert (tmp_path / "in" / "got").read_bytes() == b"data"

    def test_an_etag_carries_no_quotes(self, put):
        assert re.fullmatch(r"[\w-]+", put("k").etag)

    def test_an_empty_object_is_one(self, objects, bucket, put, tmp_path):
        assert put("k", b"").size_bytes == 0
        objects.fetch(bucket, "k", tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == b""

    def test_a_listing_is_in_key_order_and_by_prefix(self, objects, bucket, put):
        for key in ("b", "a/2", "a/10", "ab", "a/Ü", "a/z"):
            put(key)
        assert [info.key for info in objects.list(bucket, "a")] == ["a/10", "a/2", "a/z", "a/Ü", "ab"]
        assert list(objects.list(bucket, "c")) == []

    def test_putting_again_replaces_and_gives_another_etag(self, objects, bucket, put, tmp_path):
        first, second = put("k", b"one"), put("k", b"three")
        with pytest.raises(SourceChangedError) as raised:
            objects.fetch(bucket, "k", tmp_path / "got", etag=first.etag)
        assert first.etag in raised.value.message
        assert second.etag in raised.value.message
        objects.fetch(bucket, "k", tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == b"three"

    def test_what_is_not_there_is_said(self, objects, bucket, tmp_path):
        assert objects.head(bucket, "k") is None
        objects.delete(bucket, "k")
        objects.move(bucket, "k", "other")
        for etag in (None, "abc"):
            with pytest.raises(SourceNotFoundError, match=f"s3://{bucket}/k"):
                objects.fetch(bucket, "k", tmp_path / "got", etag=etag)

    def test_a_move_keeps_the_content_and_a_delete_takes_it_away(self, objects, bucket, put, tmp_path):
        put("a/b c/Größe+%.json", b"moved")
        objects.move(bucket, "a/b c/Größe+%.json", "x/y")
        assert [info.key for info in objects.list(bucket, "")] == ["x/y"]
        objects.fetch(bucket, "x/y", tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == b"moved"
        objects.delete(bucket, "x/y")
        assert list(objects.list(bucket, "")) == []

    @pytest.mark.parametrize(
        "key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\0b", "a\\..\\b"]
    )
    def test_a_key_that_leaves_its_bucket_is_refused(self, objects, bucket, put, tmp_path, key):
        put("k")
        for act in (
            lambda: objects.head(bucket, key),
            lambda: objects.fetch(bucket, key, tmp_path / "got"),
            lambda: put(key),
            lambda: objects.move(bucket, "k", key),
            lambda: objects.delete(bucket, key),
        ):
            with pytest.raises(ObjectKeyInvalidError):
                act()
