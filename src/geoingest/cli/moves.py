"""What `geoingest dev` says: one line for each step of a run, for people or as one JSON object a line for programs."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from geoingest.cli.output import FAILED, REFUSED, SUCCESS
from geoingest.cli.report import STATUS, find_asset
from geoingest.errors import GeoingestError
from geoingest.events import RUN_FAILED, Event
from geoingest.model.run import Run, RunStatus
from geoingest.runtime.platform import Platform
from geoingest.stores.ledger.runs import get_run
from geoingest_operator.bucket import OnlyPlanned, Refused, Started, Taken

RUN_ID_CHARACTERS = 8
COLORS = {"success": "green", "failure": "red", "rejected": "red", "trouble": "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One thing that happened; what does not apply is null.

    `change`: ready, started, planned, load, transform, export (each: that stage is done), success, failure, rejected,
    restarted (a server that had died), trouble (something that is tried again).
    """

    change: str
    run_id: str | None = None
    dataset_id: str | None = None
    manifest: str | None = None
    rows: int | None = None
    version: int | None = None
    seconds: float | None = None
    error: dict[str, Any] | None = None
    text: str | None = None
    functions: dict[str, str] | None = None
    pids: dict[str, int | None] | None = None


class Teller:
    """Prints moves as they come, from any thread, and remembers how runs ended: each end is told once."""

    def __init__(self, platform: Platform, *, as_json: bool) -> None:
        self._platform = platform
        self._as_json = as_json
        self._lock = threading.Lock()
        self._ended: set[str] = set()
        self._troubles: set[str] = set()
        self._counts: Counter[str] = Counter()

    @property
    def exit_code(self) -> int:
        """0 when all went well so far, 1 when a run failed, 2 when a manifest was refused."""
        if self._counts["failure"]:
            return FAILED
        return REFUSED if self._counts["rejected"] else SUCCESS

    def greet(self, folder: Path, *, functions: dict[str, str], pids: dict[str, int | None]) -> None:
        """Say where manifests go, and which function listens where."""
        if self._as_json:
            self.tell(Move(change="ready", text=str(folder), functions=functions, pids=pids))
            return
        click.echo(click.style("geoingest dev", bold=True) + ": manifests become runs, Ctrl-C ends it")
        for name, address in functions.items():
            click.echo(f"  {name:<10} {address}")
        click.echo(f"  {'manifests':<10} {folder}")
        click.echo(f"  {'data':<10} {folder.parent}, as s3://{folder.parent.name}/...")
        example = Path("examples/countries")
        if example.is_dir():
            click.echo("for example, in another terminal:")
            click.echo(f"  mkdir -p {folder.parent}/countries")
            click.echo(f"  cp {example}/countries.geojson {folder.parent}/countries/")
            click.echo(f"  cp {example}/manifest.json {folder}/")

    def tell(self, move: Move) -> None:
        """Print the move."""
        fields = {name: getattr(move, name) for name in Move.__slots__}
        line = (
            json.dumps({name: value for name, value in fields.items() if value is not None})
            if self._as_json
            else words(move, now=datetime.now().astimezone())
        )
        with self._lock:
            self._counts[move.change] += 1
            click.echo(line)

    def tell_taken(self, key: str, taken: Taken) -> None:
        """What became of the manifest at `key`."""
        match taken:
            case Started(run=run) if run.status is RunStatus.RUNNING:
                self.tell(Move(change="started", run_id=run.run_id, dataset_id=run.dataset_id, manifest=key))
            case Started(run=run):
                self.tell_end(run.run_id)
            case OnlyPlanned(run=run):
                self.tell(Move(change="planned", dataset_id=run.dataset_id, manifest=key))
            case Refused(error=error):
                self.tell(Move(change="rejected", manifest=key, error=error.as_dict()))

    def tell_delivery(self, event: Event, subscriber: str, answer: Event | None) -> None:
        """What an accepted delivery means for its run."""
        if answer is None:
            self.tell_end(event.runid)
        elif answer.type != RUN_FAILED:
            rows, version = (answer.data.summary.get(name) for name in ("rows", "version"))
            self.tell(
                Move(
                    change=subscriber,
                    run_id=event.runid,
                    dataset_id=event.subject,
                    rows=rows if isinstance(rows, int) else None,
                    version=version if isinstance(version, int) else None,
                )
            )

    def tell_end(self, run_id: str) -> None:
        """How the run ended, unless it goes on or that was told before."""
        run = get_run(self._platform.documents, run_id)
        if run is None or run.status is RunStatus.RUNNING:
            return
        with self._lock:
            if run_id in self._ended:
                return
            self._ended.add(run_id)
        self.tell(self._end_of(run))

    def tell_trouble(self, error: GeoingestError, *, where: str) -> None:
        """Something that is tried again at the next look; the same trouble is told once."""
        text = f"{where}: {error.message}"
        if text not in self._troubles:
            self._troubles.add(text)
            self.tell(Move(change="trouble", text=text, error=error.as_dict()))

    def _end_of(self, run: Run) -> Move:
        asset = find_asset(self._platform, run)
        seconds = (run.completed_at - run.created_at).total_seconds() if run.completed_at else None
        return Move(
            change=STATUS[run.status],
            run_id=run.run_id,
            dataset_id=run.dataset_id,
            rows=asset.row_count if asset else None,
            version=asset.version if asset else None,
            seconds=seconds,
            error=run.error.model_dump(mode="json") if run.error else None,
        )


def words(move: Move, *, now: datetime) -> str:
    """The move as one line for people; an error's remedy and its problems stand on lines of their own."""
    facts = [
        f"v{move.version}" if move.version is not None else "",
        f"{move.rows:,} rows" if move.rows is not None else "",
        f"{move.seconds:.2f} s" if move.seconds is not None else "",
        move.manifest or "",
        _headline(move.error) if move.error else move.text or "",
    ]
    change = click.style(f"{move.change:<9}", fg=COLORS.get(move.change))
    who = f"{(move.run_id or '')[:RUN_ID_CHARACTERS]:<{RUN_ID_CHARACTERS}}  {move.dataset_id or '':<20}"
    line = f"{now:%H:%M:%S}  {who}  {change}  {'  '.join(filter(None, facts))}".rstrip()
    error = move.error or {}
    problems = [
        f"{problem['path']}: {problem['message']}".removeprefix(": ") for problem in error.get("problems", ())
    ]
    hint = [f"how to mend: {error['hint']}"] if error.get("hint") else []
    return "\n".join([line, *(f"{'':10}{more}" for more in [*problems, *hint])])


def _headline(error: dict[str, Any]) -> str:
    # The lines below say what such a message goes on to say.
    message = error["message"].partition(": ")[0] if error["problems"] else error["message"]
    return f"{error['code']}  {message}"
