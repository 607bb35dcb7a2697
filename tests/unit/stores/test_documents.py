"""The contract of the ledger's port; every adapter must pass it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from geoingest.errors.run import LedgerUnavailableError
from geoingest.stores.ledger.documents import DuplicateError
from geoingest.stores.ledger.migrations import apply_migrations
from geoingest.stores.ledger.sqlite import SqliteDocuments
from ledgers import open_ledger

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def documents(tmp_path):
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def asset(number: int, **fields):
    return {"asset_id": f"a{number}", "dataset_id": "d", "version": number, "run_id": f"r{number}"} | fields


def versions(found):
    return [document["version"] for document in found]


def test_a_document_comes_back_as_it_was_stored(documents):
    stored = asset(1, nested={"list": [1, 2.5, None, True], "text": "Größe\u2028"}, big=2**62)
    documents.insert("assets", stored)
    assert documents.find("assets", {}) == [stored]


def test_a_taken_key_or_unique_index_refuses_the_second_document(documents):
    documents.insert("assets", asset(1))
    for taken in (asset(1, run_id="other", version=9), asset(2, version=1), asset(2, run_id="r1")):
        assert documents.insert_new("assets", taken) is False
        with pytest.raises(DuplicateError):
            documents.insert("assets", taken)
    assert versions(documents.find("assets", {})) == [1]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        pytest.param({}, [1, 2, 3], id="everything"),
        pytest.param({"version": 2}, [2], id="equality"),
        pytest.param({"note.kind": "x"}, [1], id="dotted path"),
        pytest.param({"note.kind": None}, [2, 3], id="null also finds what is missing"),
        pytest.param({"version": {"$in": [1, 3]}}, [1, 3], id="in"),
        pytest.param({"version": {"$in": []}}, [], id="in nothing"),
        pytest.param({"version": {"$ne": 2}}, [1, 3], id="not equal"),
        pytest.param({"version": {"$lt": 2}}, [1], id="less"),
        pytest.param({"version": {"$gt": 1}, "flag": True}, [3], id="all conditions hold"),
        pytest.param({"$or": [{"version": 1}, {"flag": True}]}, [1, 3], id="any of several"),
        pytest.param({"at": {"$lt": T0 + timedelta(seconds=2)}}, [1, 2], id="earlier than a time"),
    ],
)
def test_a_filter_finds_exactly_what_it_says(documents, where, expected):
    documents.insert("assets", asset(1, note={"kind": "x"}, flag=False, at=T0))
    documents.insert("assets", asset(2, note={}, flag=False, at=T0 + timedelta(milliseconds=1)))
    documents.insert("assets", asset(3, flag=True, at=T0 + timedelta(days=1)))
    assert versions(documents.find("assets", where, sort=[("version", 1)])) == expected


def test_find_sorts_and_limits(documents):
    for number in (2, 3, 1):
        documents.insert("assets", asset(number))
    assert versions(documents.find("assets", {}, sort=[("version", -1)], limit=2)) == [3, 2]


def test_update_sets_dotted_paths_of_what_matches_and_says_how_many(documents):
    documents.insert("assets", asset(1, stages={"load": {"status": "waiting", "n": 1}}))
    documents.insert("assets", asset(2, stages={"load": {"status": "done", "n": 1}}))
    waiting = {"stages.load.status": "waiting"}
    values = {"stages.load.status": "running", "stages.load.reply": {"a": [1]}, "run_id": "new"}
    assert documents.update("assets", waiting, values) == 1
    assert documents.update("assets", waiting, values) == 0
    changed = documents.find("assets", {"version": 1})[0]
    assert changed["stages"]["load"] == {"status": "running", "n": 1, "reply": {"a": [1]}}
    assert changed["run_id"] == "new"


def test_delete_says_how_many_it_removed(documents):
    documents.insert("assets", asset(1))
    documents.insert("assets", asset(2))
    assert documents.delete("assets", {"version": 1}) == 1
    assert versions(documents.find("assets", {})) == [2]


def test_a_failed_transaction_leaves_nothing_and_the_next_one_works(documents):
    with pytest.raises(RuntimeError), documents.transaction():
        documents.insert("assets", asset(1))
        with documents.transaction():
            documents.insert("assets", asset(2))
        raise RuntimeError
    assert documents.find("assets", {}) == []
    with documents.transaction():
        documents.insert("assets", asset(3))
    assert versions(documents.find("assets", {})) == [3]


def test_others_do_not_see_a_transaction_before_it_ends(documents, tmp_path):
    other = SqliteDocuments(tmp_path / "ledger.sqlite")
    with documents.transaction():
        documents.insert("assets", asset(1))
        assert other.find("assets", {}) == []
    assert versions(other.find("assets", {})) == [1]
    other.close()


def test_of_many_threads_and_connections_one_wins_each_unique_insert(documents, tmp_path):
    others = [SqliteDocuments(tmp_path / "ledger.sqlite") for _ in range(3)]
    won: list[int] = []

    def insert_all(ledger):
        won.extend(number for number in range(30) if ledger.insert_new("assets", asset(number)))

    threads = [
        threading.Thread(target=insert_all, args=(ledger,)) for ledger in (documents, documents, *others)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(30))
    for other in others:
        other.close()


def test_migrations_run_once_and_may_run_again(documents):
    assert apply_migrations(documents) == []
    assert [row["number"] for row in documents.find("schema_migrations", {})] == [1]


def test_a_ledger_that_cannot_be_opened_is_a_stable_transient_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LedgerUnavailableError, match="ledger"):
        SqliteDocuments(tmp_path / "file" / "ledger.sqlite")
