"""The SQLite ledger between the threads of several connections, as function servers use it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import repeat

from geoingest.errors.run import LedgerUnavailableError
from ledgers import open_ledger


def test_threads_that_read_never_make_the_writes_of_others_fail(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with (
        closing(open_ledger(path)) as one,
        closing(open_ledger(path)) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        for number in range(50):
            one.insert_new("datasets", {"dataset_id": f"d{number}", "count": 0})

        def work(documents, number):
            for _ in range(40):
                assert len(documents.find("datasets", {})) == 50
                assert documents.update("datasets", {"dataset_id": f"d{number}"}, {"count": number}) == 1

        tasks = [
            pool.submit(work, documents, number)
            for documents, number in zip([one, other] * 4, range(8), strict=True)
        ]
        for task in tasks:
            task.result()


def test_a_ledger_that_is_closed_under_a_reader_ends_no_process(tmp_path):
    documents = open_ledger(tmp_path / "ledger.sqlite")

    def read(_) -> str:
        try:
            while True:
                documents.find("runs", {})
        except LedgerUnavailableError as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        reading = pool.map(read, repeat(None, 4))
        documents.close()
        assert list(reading) == ["LEDGER_UNAVAILABLE"] * 4
