"""The command line: composes the deployables into one process for a laptop. `geoingest --help` lists it.

Only the command that is called loads its module, so that help and mistakes answer at once.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Any

import click

from geoingest import __version__

COMMANDS = {
    "run": "ingest files or a manifest: the whole chain in this process",
    "validate": "check a manifest or DatasetIngest, listing every problem",
    "catalog": "list datasets, assets, runs, lineage or activity",
    "show": "describe one dataset version, as text or as a page with a map",
    "dev": "the chain as a platform runs it: function servers, a broker, a watched folder",
    "doctor": "check that everything needed is there and works",
    "ledger": "bring the ledger up to date",
    "janitor": "end abandoned runs and remove what they left",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, `geoingest.cli.<name>`, attribute `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The commands in the order they are met by a newcomer."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """The command, its module loaded now; null when there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"geoingest.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        """The list of commands from the table above: loading each for its help would cost a second."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="geoingest")
def group() -> None:
    """Raw geodata files in, versioned and catalogued GeoParquet out."""
    # Details of defects are for who asks for them; users get codes and remedies.
    level = os.environ.get("GEOINGEST_LOG", "CRITICAL").upper()
    known = level if level in logging.getLevelNamesMapping() else "CRITICAL"
    logging.basicConfig(level=known, stream=sys.stderr)


def main(arguments: list[str] | None = None) -> Any:  # noqa: ANN401  click ends the process
    """Run the command line; exits 0 on success, 1 when a run failed, 2 when input was refused."""
    return group(arguments)
