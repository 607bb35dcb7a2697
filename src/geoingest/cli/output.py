"""What a command prints: one JSON object for machines on the last line of stdout, words for people."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NoReturn

import click

from geoingest.errors import GeoingestError

SUCCESS, FAILED, REFUSED = 0, 1, 2
log = logging.getLogger(__name__)


def print_json(document: Mapping[str, Any]) -> None:
    """The document as one line."""
    click.echo(json.dumps(document, ensure_ascii=False, default=_plain))


def explain(error: GeoingestError, *, say: Callable[[str], None]) -> None:
    """The error in words: what, then each problem, then how to mend it."""
    # The list below says what such a message goes on to say.
    headline = error.message.partition(": ")[0] if error.problems else error.message
    say(f"{click.style(error.code, fg='red', bold=True)}  {headline}")
    for problem in error.problems:
        say(f"  - {problem}")
    if error.hint:
        say(f"  {click.style('how to mend:', bold=True)} {error.hint}")


@contextmanager
def refusals(*, as_json: bool) -> Iterator[None]:
    """Whatever goes wrong inside ends the process with a stable code and a word on what to mend; never a traceback.

    A GeoingestError means that the input was refused (exit 2), anything else is a defect (exit 1).
    """
    try:
        yield
    except GeoingestError as error:
        refuse(error, as_json=as_json)
    except Exception as error:
        if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
            raise
        log.exception("defect")
        tell_defect(error, as_json=as_json)


def tell_defect(error: Exception, *, as_json: bool) -> NoReturn:
    """End the process: geoingest itself is at fault."""
    defect = GeoingestError(
        f"geoingest met a defect of its own: {type(error).__name__}",
        hint="run it again with GEOINGEST_LOG=ERROR for the details, and please report them",
    )
    explain(defect, say=lambda line: click.echo(line, err=True))
    if as_json:
        print_json({"status": "failure", "error": defect.as_dict()})
    sys.exit(FAILED)


def refuse(error: GeoingestError, *, as_json: bool) -> NoReturn:
    """End the process: the input was refused."""
    explain(error, say=lambda line: click.echo(line, err=True))
    if as_json:
        print_json({"status": "rejected", "error": error.as_dict()})
    sys.exit(REFUSED)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"no JSON for {type(value).__name__}")
