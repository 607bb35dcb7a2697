"""`geoingest janitor`: ends abandoned runs and removes what they left. `geoingest run` does it by itself first."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from geoingest.cli.options import home_option, json_option


@click.command("janitor", short_help="clean up after killed runs")
@home_option
@json_option
def command(*, home: str | None, as_json: bool) -> None:
    """End runs that nobody works on any more, and remove what they left; live runs are not touched."""
    from geoingest.cli.output import print_json, refusals
    from geoingest.runtime.platform import open_platform
    from geoingest.settings import read_settings
    from geoingest_operator.janitor import sweep

    with refusals(as_json=as_json):
        settings = read_settings(os.environ, home=Path(home) if home else None)
        with open_platform(settings) as platform:
            swept = sweep(platform)
    if as_json:
        print_json(asdict(swept))
    else:
        click.echo(f"{len(swept.ended)} abandoned runs ended, {len(swept.cleaned)} runs cleaned up after")
