"""The servers of the contract tests: started once, with a bucket or database of its own for each test.

GEOINGEST_TEST_MONGO_URI names another MongoDB (without a database) to test against in the place of SecantusDB.
"""

from __future__ import annotations

import os
import uuid

import boto3
import pytest
from pymongo import MongoClient

from contract.servers import serve_mongo, serve_s3

GIVEN = os.environ.get("GEOINGEST_TEST_MONGO_URI")


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory):
    with serve_s3(tmp_path_factory.mktemp("s3")) as endpoint:
        yield endpoint


@pytest.fixture
def aws(monkeypatch, s3_endpoint):
    """The AWS variables that lead to the server; what this machine has of its own does not count."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret-key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def plain_s3(aws):
    """A client of the same server that is none of ours."""
    return boto3.client("s3")


@pytest.fixture
def bucket(plain_s3):
    name = f"bucket-{uuid.uuid4().hex}"
    plain_s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def replica_set(tmp_path_factory):
    if GIVEN:
        yield GIVEN
        return
    with serve_mongo(tmp_path_factory.mktemp("replica-set")) as server:
        yield server


@pytest.fixture(scope="session")
def lone_server(tmp_path_factory):
    """A server without transactions."""
    with serve_mongo(tmp_path_factory.mktemp("lone"), "--standalone") as server:
        yield server


@pytest.fixture
def mongo_uri(replica_set):
    """A URI with a database that is new, and dropped after the test."""
    yield from _database(replica_set)


@pytest.fixture
def lone_mongo_uri(lone_server):
    yield from _database(lone_server)


def _database(server: str):
    name = f"test_{uuid.uuid4().hex}"
    address, _, options = server.partition("?")
    yield f"{address.rstrip('/')}/{name}{'?' + options if options else ''}"
    with MongoClient(server) as client:
        client.drop_database(name)
