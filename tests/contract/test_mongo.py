"""The ledger in MongoDB, over its wire protocol: the contracts, with transactions and without."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing

import pytest
from pymongo import MongoClient

from contract.servers import free_port, serve_mongo
from geoingest.errors.run import LedgerUnavailableError, LedgerUriInvalidError
from geoingest.stores.ledger import mongo
from geoingest.stores.ledger.collections import COLLECTIONS
from geoingest.stores.ledger.documents import DocumentInvalidError
from geoingest.stores.ledger.migrations import STEPS, apply_migrations
from geoingest.stores.ledger.mongo import MongoDocuments
from geoingest.stores.ledger.runs import get_run
from ledgers import registered_run
from suites.assets import AssetsContract
from suites.documents import DocumentsContract, TransactionsContract
from suites.runs import RunsContract, RunTransactionsContract

CANARY = "canary-password"


def connected(uri):
    with ExitStack() as opened:

        def connect():
            ledger = opened.enter_context(closing(MongoDocuments(uri)))
            for name in COLLECTIONS:
                ledger.create(name)
            return ledger

        yield connect


def migrated(uri):
    with closing(MongoDocuments(uri)) as ledger:
        apply_migrations(ledger)
        yield ledger


@pytest.fixture
def documents(mongo_uri):
    yield from migrated(mongo_uri)


class TestReplicaSetDocuments(DocumentsContract, TransactionsContract):
    @pytest.fixture
    def connect(self, mongo_uri):
        yield from connected(mongo_uri)


class TestReplicaSetRuns(RunsContract, RunTransactionsContract):
    pass


class TestReplicaSetAssets(AssetsContract):
    pass


class TestLoneServerDocuments(DocumentsContract):
    @pytest.fixture
    def connect(self, lone_mongo_uri):
        yield from connected(lone_mongo_uri)


class TestLoneServerRuns(RunsContract):
    @pytest.fixture
    def documents(self, lone_mongo_uri):
        yield from migrated(lone_mongo_uri)


class TestLoneServerAssets(AssetsContract):
    @pytest.fixture
    def documents(self, lone_mongo_uri):
        yield from migrated(lone_mongo_uri)


def test_a_lone_server_is_written_without_transactions(lone_mongo_uri):
    with closing(MongoDocuments(lone_mongo_uri)) as ledger:
        ledger.create("datasets")

        def store():
            ledger.insert_new("datasets", {"dataset_id": "d"})
            raise RuntimeError

        with pytest.raises(RuntimeError):
            ledger.transact(store)
        assert len(ledger.find("datasets", {})) == 1


def test_what_others_see_is_plain_documents_with_dates_under_their_keys(documents, mongo_uri, tmp_path):
    planned = registered_run(documents, tmp_path)
    with MongoClient(mongo_uri, tz_aware=True) as client:
        [stored] = client.get_default_database()["runs"].find()
    assert (stored["_id"], stored["status"]) == (planned.run.run_id, "running")
    assert stored["created_at"] == planned.run.created_at
    assert get_run(documents, planned.run.run_id) == planned.run


def test_migrations_run_once_and_leave_strict_validators(documents, mongo_uri):
    assert apply_migrations(documents) == []
    with MongoClient(mongo_uri) as client:
        listed = {c["name"]: c["options"] for c in client.get_default_database().list_collections()}
    strict = {"validationLevel": "strict", "validationAction": "error"}
    checked = {name for name, options in listed.items() if strict.items() <= options.items()}
    assert checked == COLLECTIONS.keys() - {"schema_migrations"}
    assert len(documents.find("schema_migrations", {})) == len(STEPS)


@pytest.mark.parametrize(
    ("collection", "values"),
    [
        pytest.param("runs", {"surprise": 1}, id="an unknown field"),
        pytest.param("runs", {"status": "done"}, id="a word that is no status"),
        pytest.param("runs", {"stages.load.claims": "two"}, id="a wrong type deep inside"),
        pytest.param("runs", {"created_at": "2026-01-01T00:00:00Z"}, id="a date as text"),
        pytest.param("runs", {"dataset_id": None}, id="null where there must be a value"),
        pytest.param("datasets", {"latest_version": 1.5}, id="a fraction"),
    ],
)
def test_the_server_itself_refuses_a_document_that_breaks_its_model(documents, tmp_path, collection, values):
    registered_run(documents, tmp_path)
    with pytest.raises(DocumentInvalidError):
        documents.update(collection, {}, values)
    with pytest.raises(DocumentInvalidError):
        documents.transact(lambda: documents.update(collection, {}, values))


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(mongo, "SELECTION_TIMEOUT_MS", 200)
    monkeypatch.setattr(mongo, "TRANSACTION_TIMEOUT_S", 1)


@pytest.mark.parametrize("database", ["ledger", ""])
def test_a_server_that_is_away_is_a_transient_error_without_credentials(impatient, caplog, database):
    with caplog.at_level(logging.DEBUG), pytest.raises(LedgerUnavailableError) as raised:
        MongoDocuments(f"mongodb://ada:{CANARY}@127.0.0.1:{free_port()}/{database}")
    error = raised.value
    assert error.message == f"ledger {database or 'geoingest'}: MongoDB does not answer"
    assert CANARY not in f"{error!r} {error.as_dict()} {error.__cause__!r} {caplog.text}"


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param(f"mongodb://ada:{CANARY}@:x/", id="bad port"),
        pytest.param(f"mongodb://ada:{CANARY}@@host/", id="unescaped"),
    ],
)
def test_an_address_that_is_no_uri_is_a_permanent_error_that_does_not_show_it(uri):
    with pytest.raises(LedgerUriInvalidError) as raised:
        MongoDocuments(uri)
    assert CANARY not in f"{raised.value!r} {raised.value.as_dict()} {raised.value.__cause__!r}"


def test_a_refused_login_says_so_without_the_password(mongo_uri):
    with pytest.raises(LedgerUnavailableError, match="the login was refused") as raised:
        MongoDocuments(mongo_uri.replace("://", f"://ada:{CANARY}@"))
    assert CANARY not in f"{raised.value!r} {raised.value.__cause__!r}"


def test_a_server_that_goes_away_and_comes_back_is_used_again(impatient, tmp_path):
    port = free_port()
    with serve_mongo(tmp_path, port=port) as server:
        ledger = MongoDocuments(f"{server}/outage")
        apply_migrations(ledger)
        planned = registered_run(ledger, tmp_path)
    with closing(ledger):
        for act in (
            lambda: get_run(ledger, planned.run.run_id),
            lambda: ledger.update("runs", {"run_id": planned.run.run_id}, {"warnings": ["x"]}),
            lambda: ledger.insert_new("datasets", {"dataset_id": "d"}),
            lambda: ledger.transact(lambda: ledger.delete("runs", {})),
        ):
            with pytest.raises(LedgerUnavailableError, match="ledger outage: MongoDB does not answer"):
                act()
        with serve_mongo(tmp_path, port=port):
            assert get_run(ledger, planned.run.run_id) == planned.run
