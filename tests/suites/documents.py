"""The contract of the ledger's port: what every adapter must do.

A subclass gives the fixture `connect`: a function that opens the one ledger of the test once more; its collections
exist, without schemas.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter

from geoingest.model.asset import AssetStatus

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def asset(number: int, **fields):
    return {"asset_id": f"a{number}", "dataset_id": "d", "version": number, "run_id": f"r{number}"} | fields


def versions(found):
    return [document["version"] for document in found]


class DocumentsContract:
    @pytest.fixture
    def documents(self, connect):
        return connect()

    def test_a_document_comes_back_as_it_was_stored(self, documents):
        stored = asset(1, nested={"list": [1, 2.5, None, True], "text": "Größe\u2028"}, big=2**62)
        documents.insert_new("assets", stored)
        assert documents.find("assets", {}) == [stored]

    def test_a_taken_key_or_unique_index_refuses_the_second_document(self, documents):
        documents.insert_new("assets", asset(1))
        for taken in (asset(1, run_id="other", version=9), asset(2, version=1), asset(2, run_id="r1")):
            assert documents.insert_new("assets", taken) is False
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
    def test_a_filter_finds_exactly_what_it_says(self, documents, where, expected):
        documents.insert_new("assets", asset(1, note={"kind": "x"}, flag=False, at=T0))
        documents.insert_new("assets", asset(2, note={}, flag=False, at=T0 + timedelta(milliseconds=1)))
        documents.insert_new("assets", asset(3, flag=True, at=T0 + timedelta(days=1)))
        assert versions(documents.find("assets", where, sort=[("version", 1)])) == expected

    def test_find_sorts_and_limits(self, documents):
        for number in (2, 3, 1):
            documents.insert_new("assets", asset(number))
        assert versions(documents.find("assets", {}, sort=[("version", -1)], limit=2)) == [3, 2]

    def test_update_sets_dotted_paths_of_what_matches_and_says_how_many(self, documents):
        documents.insert_new("assets", asset(1, stages={"load": {"status": "waiting", "n": 1}}))
        documents.insert_new("assets", asset(2, stages={"load": {"status": "done", "n": 1}}))
        waiting = {"stages.load.status": "waiting"}
        values = {"stages.load.status": "running", "stages.load.reply": {"a": [1]}, "run_id": "new"}
        assert documents.update("assets", waiting, values) == 1
        assert documents.update("assets", waiting, values) == 0
        changed = documents.find("assets", {"version": 1})[0]
        assert changed["stages"]["load"] == {"status": "running", "n": 1, "reply": {"a": [1]}}
        assert changed["run_id"] == "new"

    def test_delete_says_how_many_it_removed(self, documents):
        documents.insert_new("assets", asset(1))
        documents.insert_new("assets", asset(2))
        assert documents.delete("assets", {"version": 1}) == 1
        assert versions(documents.find("assets", {})) == [2]

    def test_a_datetime_comes_back_exact_to_the_millisecond(self, documents):
        at = datetime(2026, 3, 4, 5, 6, 7, 891_000, tzinfo=timezone(timedelta(hours=5)))
        documents.insert_new("assets", asset(1, at=at))
        assert TypeAdapter(datetime).validate_python(documents.find("assets", {})[0]["at"]) == at

    def test_words_of_an_enumeration_and_tuples_are_stored_as_text_and_lists(self, documents):
        documents.insert_new("assets", asset(1, status=AssetStatus.PENDING, pairs=(("a", "b"),)))
        [found] = documents.find("assets", {"status": AssetStatus.PENDING})
        assert (found["status"], found["pairs"]) == ("pending", [["a", "b"]])

    def test_names_with_dots_and_dollars_are_kept(self, documents):
        stored = asset(1, tags={"a.b": 1, "$where": "x", "": 2})
        documents.insert_new("assets", stored)
        assert documents.find("assets", {}) == [stored]

    def test_a_key_can_be_one_of_several(self, documents):
        for number in (1, 2, 3):
            documents.insert_new("assets", asset(number))
        wanted = {"asset_id": {"$in": ["a1", "a3", "a9"]}}
        assert documents.update("assets", wanted, {"flag": True}) == 2
        assert documents.delete("assets", wanted) == 2
        assert versions(documents.find("assets", {})) == [2]

    def test_of_many_threads_and_connections_one_wins_each_unique_insert(self, documents, connect):
        ledgers = (documents, documents, *(connect() for _ in range(3)))
        with ThreadPoolExecutor(len(ledgers)) as pool:
            won = pool.map(
                lambda ledger: [n for n in range(30) if ledger.insert_new("assets", asset(n))], ledgers
            )
        assert sorted(number for numbers in won for number in numbers) == list(range(30))

    def test_creating_what_is_there_changes_nothing(self, documents):
        documents.insert_new("assets", asset(1))
        documents.create("assets")
        assert versions(documents.find("assets", {})) == [1]
        assert documents.insert_new("assets", asset(2, version=1)) is False


class TransactionsContract:
    """What a ledger with transactions does besides."""

    @pytest.fixture
    def documents(self, connect):
        return connect()

    def test_a_failed_transaction_leaves_nothing_and_the_next_one_works(self, documents):
        def store_two():
            documents.insert_new("assets", asset(1))
            documents.transact(lambda: documents.insert_new("assets", asset(2)))
            raise RuntimeError

        with pytest.raises(RuntimeError):
            documents.transact(store_two)
        assert documents.find("assets", {}) == []
        assert documents.transact(lambda: documents.insert_new("assets", asset(3))) is True
        assert versions(documents.find("assets", {})) == [3]

    def test_others_do_not_see_a_transaction_before_it_ends(self, documents, connect):
        other = connect()

        def store():
            documents.insert_new("assets", asset(1))
            return versions(documents.find("assets", {})), other.find("assets", {})

        assert documents.transact(store) == ([1], [])
        assert versions(other.find("assets", {})) == [1]

    def test_what_is_taken_leaves_the_transaction_whole(self, documents):
        documents.insert_new("assets", asset(1))

        def store():
            taken = [documents.insert_new("assets", a) for a in (asset(1), asset(2, version=1), asset(3))]
            return [*taken, documents.insert_new("assets", asset(4, run_id="r3"))]

        assert documents.transact(store) == [False, False, True, False]
        assert versions(documents.find("assets", {}, sort=[("version", 1)])) == [1, 3]

    def test_transactions_that_meet_lose_no_change(self, documents, connect):
        documents.insert_new("assets", asset(1, count=0))

        def count_up(ledger):
            def add():
                [found] = ledger.find("assets", {"asset_id": "a1"})
                ledger.update("assets", {"asset_id": "a1"}, {"count": found["count"] + 1})

            for _ in range(5):
                ledger.transact(add)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(count_up, [documents, connect(), connect()]))
        assert documents.find("assets", {})[0]["count"] == 15

    def test_transactions_that_take_the_same_key_at_once_agree_on_one(self, documents, connect):
        def take(ledger):
            return [
                n for n in range(10) if ledger.transact(lambda n=n: ledger.insert_new("assets", asset(n)))
            ]

        with ThreadPoolExecutor(3) as pool:
            won = [n for numbers in pool.map(take, [documents, connect(), connect()]) for n in numbers]
        assert sorted(won) == list(range(10))
