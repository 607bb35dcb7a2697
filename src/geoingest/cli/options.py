"""Options that several commands share."""

from __future__ import annotations

import click

home_option = click.option(
    "--home",
    type=click.Path(file_okay=False),
    help="Folder of the buckets and the ledger.  [default: $GEOINGEST_HOME or .geoingest]",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, last line of stdout."
)
