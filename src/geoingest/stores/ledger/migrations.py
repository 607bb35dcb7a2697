"""Numbered, idempotent steps that bring a ledger to the shape this version needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from geoingest.stores.ledger.clock import ledger_now
from geoingest.stores.ledger.collections import COLLECTIONS, MIGRATIONS
from geoingest.stores.ledger.documents import Documents
from geoingest.stores.ledger.validators import MODELS, collection_schema


@dataclass(frozen=True, slots=True)
class Migration:
    """One step; `apply` may run again after a crash, and after another process ran it."""

    number: int
    title: str
    apply: Callable[[Documents], None]


def _create_collections(documents: Documents) -> None:
    for name in COLLECTIONS:
        documents.create(name)


def _constrain_documents(documents: Documents) -> None:
    for name in MODELS:
        documents.constrain(name, collection_schema(name))


STEPS = (
    Migration(1, "collections and their indexes", _create_collections),
    # A changed model needs a further step with this same function: a test compares.
    Migration(2, "documents must fit their models", _constrain_documents),
)


def apply_migrations(documents: Documents) -> list[int]:
    """The numbers of the steps that were applied now; empty when the ledger was up to date."""
    documents.create(MIGRATIONS.name)
    done = {row["number"] for row in documents.find(MIGRATIONS.name, {})}
    pending = [step for step in STEPS if step.number not in done]
    for step in pending:
        step.apply(documents)
        applied_at = ledger_now()
        documents.insert_new(
            MIGRATIONS.name, {"number": step.number, "title": step.title, "applied_at": applied_at}
        )
    return [step.number for step in pending]
