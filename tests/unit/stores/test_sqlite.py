"""The ledger in SQLite: the contracts, and what only a file can do."""

from __future__ import annotations

from contextlib import ExitStack, closing

import pytest

from geoingest.errors.run import LedgerUnavailableError
from geoingest.stores.ledger.collections import COLLECTIONS
from geoingest.stores.ledger.migrations import STEPS, apply_migrations
from geoingest.stores.ledger.sqlite import SqliteDocuments
from ledgers import open_ledger
from suites.assets import AssetsContract
from suites.documents import DocumentsContract, TransactionsContract
from suites.runs import RunsContract, RunTransactionsContract


class TestDocuments(DocumentsContract, TransactionsContract):
    @pytest.fixture
    def connect(self, tmp_path):
        with ExitStack() as opened:

            def connect():
                ledger = opened.enter_context(closing(SqliteDocuments(tmp_path / "ledger.sqlite")))
                for name in COLLECTIONS:
                    ledger.create(name)
                return ledger

            yield connect


@pytest.fixture
def documents(tmp_path):
    with closing(open_ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield ledger


class TestRuns(RunsContract, RunTransactionsContract):
    pass


class TestAssets(AssetsContract):
    pass


def test_migrations_run_once_and_may_run_again(documents):
    assert apply_migrations(documents) == []
    applied = [row["number"] for row in documents.find("schema_migrations", {}, sort=[("number", 1)])]
    assert applied == [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))


def test_a_ledger_that_cannot_be_opened_is_a_stable_transient_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LedgerUnavailableError, match="ledger"):
        SqliteDocuments(tmp_path / "file" / "ledger.sqlite")
