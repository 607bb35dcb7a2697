"""Objects over the S3 API, against a server over HTTP: the contract, and what only such a store can do."""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
from contextlib import closing, contextmanager

import pytest

from contract.servers import free_port
from geoingest.errors.run import (
    BucketNotFoundError,
    SourceChangedError,
    StoreAccessDeniedError,
    StoreUnavailableError,
)
from geoingest.stores.objects import s3
from geoingest.stores.objects.s3 import MIB, S3Objects
from suites.objects import ObjectsContract

CANARY = "canary-secret-key"


@pytest.fixture
def objects(aws):
    return S3Objects()


class TestObjects(ObjectsContract):
    pass


def test_a_large_file_goes_up_in_parts_and_comes_back_the_same(
    objects, plain_s3, bucket, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        s3, "TRANSFER", s3.TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=5 * MIB)
    )
    content = bytes(range(256)) * (11 * MIB // 256)
    (tmp_path / "up").write_bytes(content)
    info = objects.put(bucket, "big", tmp_path / "up", content_type="application/vnd.apache.parquet")
    assert info.etag.endswith("-3")
    objects.fetch(bucket, "big", tmp_path / "down", etag=info.etag)
    assert (tmp_path / "down").read_bytes() == content
    head = plain_s3.head_object(Bucket=bucket, Key="big")
    assert head["ContentType"] == "application/vnd.apache.parquet"
    assert head["Metadata"] == {"sha256": hashlib.sha256(content).hexdigest()}


def test_a_move_keeps_type_and_hash(objects, plain_s3, bucket, tmp_path):
    (tmp_path / "up").write_bytes(b"data")
    objects.put(bucket, "k", tmp_path / "up", content_type="text/x-geo")
    objects.move(bucket, "k", "to/k")
    head = plain_s3.head_object(Bucket=bucket, Key="to/k")
    assert (head["ContentType"], head["Metadata"]["sha256"]) == (
        "text/x-geo",
        hashlib.sha256(b"data").hexdigest(),
    )


def test_a_listing_goes_on_over_its_pages_and_leaves_out_folder_marks(objects, plain_s3, bucket):
    for key in ("p/1", "p/2", "p/3", "p/4", "p/5", "p/folder/"):
        plain_s3.put_object(Bucket=bucket, Key=key, Body=b"")
    pages = []

    def two_a_page(params, **_):
        pages.append(params)
        return params | {"MaxKeys": 2}

    objects._client.meta.events.register("provide-client-params.s3.ListObjectsV2", two_a_page)
    assert [info.key for info in objects.list(bucket, "p/")] == ["p/1", "p/2", "p/3", "p/4", "p/5"]
    assert len(pages) == 3


def test_a_bucket_that_is_missing_is_a_permanent_error_that_names_it(objects, tmp_path):
    (tmp_path / "up").write_bytes(b"data")
    for act in (
        lambda: list(objects.list("no-such-bucket", "")),
        lambda: objects.put("no-such-bucket", "k", tmp_path / "up", content_type="x"),
        lambda: objects.put("No Bucket At All", "k", tmp_path / "up", content_type="x"),
    ):
        with pytest.raises(
            BucketNotFoundError, match=r"there is no bucket (no-such-bucket|No Bucket At All)"
        ):
            act()


@contextmanager
def answering(monkeypatch, *answers):
    """A server that gives each connection the next raw answer and closes it; the last one for ever."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve():
            rest = list(answers)
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with closing(connection):
                    requests.append(connection.recv(65536))
                    connection.sendall(rest.pop(0) if len(rest) > 1 else rest[0])

        requests: list[bytes] = []
        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield requests


def answer(status, body=b"", **headers):
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    lines += ["Connection: close"] + ([] if "Content_Length" in headers else [f"Content-Length: {len(body)}"])
    return "\r\n".join([*lines, "", ""]).encode() + body


def refusal(status, code):
    return answer(status, f"<Error><Code>{code}</Code><Message>{CANARY}</Message></Error>".encode())


DATE = "Mon, 05 Jan 2026 03:04:05 GMT"


@pytest.mark.parametrize(
    ("given", "error", "code"),
    [
        pytest.param(
            refusal("403 Forbidden", "AccessDenied"), StoreAccessDeniedError, "AccessDenied", id="denied"
        ),
        pytest.param(
            refusal("403 Forbidden", "InvalidAccessKeyId"), StoreAccessDeniedError, "Invalid", id="key"
        ),
        pytest.param(
            refusal("403 Forbidden", "RequestTimeTooSkewed"), StoreUnavailableError, "Skewed", id="clock"
        ),
        pytest.param(refusal("503 Slow Down", "SlowDown"), StoreUnavailableError, "SlowDown", id="slow down"),
        pytest.param(
            refusal("500 Oh", "InternalError"), StoreUnavailableError, "InternalError", id="internal"
        ),
        pytest.param(b"garbage", StoreUnavailableError, "does not answer", id="garbage"),
    ],
)
def test_what_a_server_refuses_has_a_stable_code_and_none_of_its_words(
    aws, monkeypatch, caplog, tmp_path, *, given, error, code
):
    monkeypatch.setattr(s3, "CLIENT", s3.CLIENT.merge(s3.Config(retries={"total_max_attempts": 1})))
    with (
        answering(monkeypatch, given),
        caplog.at_level(logging.WARNING),
        pytest.raises(error, match=code) as raised,
    ):
        S3Objects().fetch("lake", "k", tmp_path / "got")
    assert CANARY not in f"{raised.value!r} {raised.value.as_dict()} {raised.value.__cause__!r} {caplog.text}"


def test_a_server_that_is_away_is_a_transient_error_without_credentials(aws, monkeypatch):
    monkeypatch.setattr(s3, "CLIENT", s3.CLIENT.merge(s3.Config(retries={"total_max_attempts": 1})))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(
        StoreUnavailableError, match="s3://lake/k: the object store does not answer"
    ) as raised:
        S3Objects().head("lake", "k")
    assert CANARY not in f"{raised.value!r} {raised.value.as_dict()}"


def test_no_credentials_at_all_is_a_permanent_error(aws, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreAccessDeniedError, match="no credentials were found"):
        S3Objects().head("lake", "k")


def test_a_server_that_stumbles_is_asked_again(aws, monkeypatch, tmp_path):
    good = answer("200 OK", b"data", ETag='"e"', Last_Modified=DATE)
    with answering(monkeypatch, refusal("503 Slow Down", "SlowDown"), good):
        assert S3Objects().fetch("lake", "k", tmp_path / "got").size_bytes == 4


def test_a_download_that_breaks_off_goes_on_where_it_stopped_and_only_in_the_same_object(
    aws, monkeypatch, tmp_path
):
    half = answer("200 OK", b"abc", Content_Length=6, ETag='"e"', Last_Modified=DATE)
    rest = answer("206 Partial Content", b"def", ETag='"e"', Last_Modified=DATE, Content_Range="bytes 3-5/6")
    with answering(monkeypatch, half, rest) as requests:
        info = S3Objects().fetch("lake", "k", tmp_path / "got")
    assert ((tmp_path / "got").read_bytes(), info.size_bytes) == (b"abcdef", 6)
    assert b"Range: bytes=3-" in requests[1]
    assert b'If-Match: "e"' in requests[1]


def test_an_object_that_is_replaced_during_a_broken_download_is_no_mixture(aws, monkeypatch, tmp_path):
    half = answer("200 OK", b"abc", Content_Length=6, ETag='"e"', Last_Modified=DATE)
    replaced = answer("412 Precondition Failed")
    head = answer("200 OK", ETag='"new"', Last_Modified=DATE, Content_Length=9)
    with answering(monkeypatch, half, replaced, head), pytest.raises(SourceChangedError, match="now new"):
        S3Objects().fetch("lake", "k", tmp_path / "got")


def test_an_object_that_is_replaced_while_it_moves_stays(aws, monkeypatch):
    head = answer("200 OK", ETag='"e"', Last_Modified=DATE, Content_Length=4)
    copied = answer("200 OK", b"<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>")
    replaced = refusal("412 Precondition Failed", "PreconditionFailed")
    with (
        answering(monkeypatch, head, head, copied, replaced) as requests,
        pytest.raises(StoreUnavailableError, match="replaced while it was being moved"),
    ):
        S3Objects().move("lake", "k", "to")
    assert b'x-amz-copy-source-if-match: "e"' in requests[2].lower()
    assert b'If-Match: "e"' in requests[3]
