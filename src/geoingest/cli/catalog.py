"""`geoingest catalog`: what the ledger knows, as tables for people and one JSON object for machines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geoingest.cli.options import home_option, json_option

if TYPE_CHECKING:
    from geoingest.stores.ledger.documents import Documents


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One list: its collection, what an ID on the command line may name, its order, and a person's columns."""

    collection: str
    ids: tuple[str, ...]
    sort: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    only: Mapping[str, Any] = field(default_factory=dict)


VIEWS: Mapping[str, View] = {
    "datasets": View(
        collection="datasets",
        ids=("dataset_id",),
        sort=(("dataset_id", 1),),
        columns=("dataset_id", "kind", "latest_version", "title", "updated_at"),
        only={"latest_version": {"$gt": 0}},
    ),
    "assets": View(
        collection="assets",
        ids=("dataset_id", "asset_id", "run_id"),
        sort=(("dataset_id", 1), ("version", 1)),
        columns=("dataset_id", "version", "row_count", "size_bytes", "crs", "s3_key"),
        only={"status": "available"},
    ),
    "runs": View(
        collection="runs",
        ids=("run_id", "dataset_id", "manifest_id"),
        sort=(("created_at", 1),),
        columns=("created_at", "dataset_id", "status", "error.code", "run_id"),
    ),
    "lineage": View(
        collection="lineage",
        ids=("target_asset_id", "source_asset_id", "run_id", "edge_id"),
        sort=(("created_at", 1),),
        columns=("target_asset_id", "transformation", "source_asset_id", "created_at"),
    ),
    "activity": View(
        collection="activity_logs",
        ids=("resource_id", "user", "action"),
        sort=(("timestamp", 1),),
        columns=("timestamp", "user", "action", "resource_id"),
    ),
    "manifests": View(
        collection="manifests",
        ids=("manifest_id", "run_id", "dataset_id"),
        sort=(("created_at", 1),),
        columns=("manifest_id", "status", "error.code", "dataset_id", "archived_as"),
    ),
}


# Shown to the minute, UTC.
TIMES = frozenset({"created_at", "updated_at", "timestamp"})


@click.command("catalog", short_help="list what the ledger knows")
@click.argument("what", type=click.Choice(list(VIEWS)))
@click.argument("id_", metavar="[ID]", required=False)
@home_option
@json_option
def command(*, what: str, id_: str | None, home: str | None, as_json: bool) -> None:
    """List WHAT, all of it or what belongs to ID (a dataset, asset, run or manifest id)."""
    from geoingest.cli.output import print_json, refusals
    from geoingest.runtime.platform import open_platform
    from geoingest.settings import read_settings

    with refusals(as_json=as_json):
        settings = read_settings(os.environ, home=Path(home) if home else None)
        with open_platform(settings) as platform:
            items = find_items(platform.documents, VIEWS[what], id_)
    if as_json:
        print_json({"items": items})
    else:
        _print_table(VIEWS[what], items)


def find_items(documents: Documents, view: View, id_: str | None) -> list[dict[str, Any]]:
    """The view's documents under the ledger's field names.

    Left out: versions that are not available yet, datasets without a version, and what would let a reader send
    events of a run (its token).
    """
    where: dict[str, Any] = dict(view.only)
    if id_ is not None:
        where["$or"] = [{field: id_} for field in view.ids]
    return [_without_token(item) for item in documents.find(view.collection, where, sort=view.sort)]


def _without_token(item: dict[str, Any]) -> dict[str, Any]:
    # A stage's recorded reply is an event, which carries the token too.
    shown = {name: value for name, value in item.items() if name != "token"}
    if "stages" in shown:
        shown["stages"] = {name: state | {"reply": None} for name, state in shown["stages"].items()}
    return shown


def _print_table(view: View, items: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in view.columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for item in items:
        table.add_row(*(_cell(item, column) for column in view.columns))
    Console().print(table if items else "nothing yet")


def _cell(item: dict[str, Any], column: str) -> str:
    value: Any = item
    for name in column.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return ""
    if column in TIMES:
        return str(value)[:16].replace("T", " ")
    return f"{value:,}" if isinstance(value, int) else str(value)[:80]
