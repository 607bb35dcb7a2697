"""`geoingest validate`: is this manifest or DatasetIngest right? Nothing is run or recorded."""

from __future__ import annotations

import os
from pathlib import Path

import click

from geoingest.cli.options import json_option


@click.command("validate", short_help="check a manifest or DatasetIngest")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@json_option
def command(*, file: str, as_json: bool) -> None:
    """Check FILE, a manifest or DatasetIngest, and list every problem at once.

    Exits 0 when it is right, 2 when it is not.
    """
    from geoingest.cli.output import print_json, refusals
    from geoingest.model.ingest import parse_ingest
    from geoingest.settings import read_settings

    with refusals(as_json=as_json):
        settings = read_settings(os.environ)
        ingest = parse_ingest(Path(file).read_bytes(), landing_bucket=settings.landing_bucket)
    if as_json:
        print_json({"status": "valid", "intent": ingest.manifest.intent, "files": len(ingest.manifest.files)})
    else:
        click.echo(f"{file}: valid, {ingest.manifest.intent} of {len(ingest.manifest.files)} files")
