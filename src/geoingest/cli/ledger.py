"""`geoingest ledger`: what an operator does to the ledger itself."""

from __future__ import annotations

import os
from pathlib import Path

import click

from geoingest.cli.options import home_option, json_option


@click.group("ledger", short_help="bring the ledger up to date")
def command() -> None:
    """Look after the ledger: SQLite below the home folder, or the MongoDB of GEOINGEST_LEDGER_URI."""


@command.command("migrate")
@home_option
@json_option
def migrate(*, home: str | None, as_json: bool) -> None:
    """Apply the migrations that the ledger lacks; any number of times, also while others work.

    On MongoDB this needs the role dbAdmin, which the functions themselves do not need once it is done.
    """
    from geoingest.cli.output import print_json, refusals
    from geoingest.runtime.platform import open_documents
    from geoingest.settings import read_settings
    from geoingest.stores.ledger.migrations import apply_migrations

    with refusals(as_json=as_json):
        settings = read_settings(os.environ, home=Path(home) if home else None)
        with open_documents(settings) as documents:
            applied = apply_migrations(documents)
    if as_json:
        print_json({"applied": applied})
    else:
        click.echo(f"applied: {', '.join(map(str, applied))}" if applied else "the ledger is up to date")
