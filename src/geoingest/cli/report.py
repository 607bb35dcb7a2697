"""How a run ended, as the one JSON object of `--json` and as words."""

from __future__ import annotations

import json
from typing import Any

import click

from geoingest.cli.output import FAILED, SUCCESS, print_json
from geoingest.model.asset import Asset
from geoingest.model.run import Run, RunStatus
from geoingest.runtime.platform import Platform
from geoingest.stores.ledger.collections import ASSETS

STATUS = {RunStatus.SUCCESS: "success", RunStatus.FAILURE: "failure", RunStatus.CANCELED: "failure"}


def report_run(platform: Platform, run: Run, *, seconds: float) -> dict[str, Any]:
    """The run and, when it succeeded, its asset, under the names of the `--json` contract."""
    report: dict[str, Any] = {
        "status": STATUS[run.status],
        "run_id": run.run_id,
        "dataset_id": run.dataset_id,
        "seconds": round(seconds, 3),
        "stages": {name: round(state.seconds, 3) for name, state in run.stages.items()},
        "warnings": list(run.warnings),
    }
    if run.error is not None:
        report["error"] = run.error.model_dump(mode="json")
    asset = find_asset(platform, run)
    return report | (describe_asset(platform, asset) if asset else {})


def find_asset(platform: Platform, run: Run) -> Asset | None:
    """The asset that the run made available; null when it made none."""
    found = platform.documents.find(ASSETS.name, {"asset_id": run.asset_id}, limit=1) if run.asset_id else []
    return Asset.model_validate(found[0]) if found else None


def describe_asset(platform: Platform, asset: Asset) -> dict[str, Any]:
    """The asset's facts; `path` is its local file, null when the lake is not in a folder."""
    bucket = platform.settings.lake_bucket
    box = asset.bounds
    local = platform.settings.object_store == "directory"
    return {
        "version": asset.version,
        "kind": asset.kind,
        "format": asset.format,
        "uri": f"s3://{bucket}/{asset.s3_key}",
        "path": str(platform.settings.home / bucket / asset.s3_key) if local else None,
        "content_hash": asset.content_hash,
        "rows": asset.row_count,
        "crs": asset.crs,
        "bounds": [box.minx, box.miny, box.maxx, box.maxy] if box else None,
        "geometry_type": asset.metadata.geometry_type if asset.metadata else None,
    }


def tell(report: dict[str, Any], *, as_json: bool) -> int:
    """Say on stdout how the run ended (what went wrong: on stderr); the exit code."""
    succeeded = report["status"] == "success"
    for warning in report["warnings"]:
        click.echo(f"{click.style('warning:', fg='yellow')} {warning}", err=True)
    if not succeeded:
        say_failure(report)
    if as_json:
        print_json(report)
    elif succeeded:
        say_success(report)
    return SUCCESS if succeeded else FAILED


def tell_plan(run: Run, *, as_json: bool) -> int:
    """Say what the run would do; nothing of it was written. Always a success."""
    sources = [source.path for source in run.plan.sources]
    plan = {"dataset_id": run.dataset_id, "intent": run.intent, "lane": run.lane, "engine": run.engine}
    if as_json:
        print_json({"status": "planned", **plan, "sources": sources, "recipe": run.plan.recipe})
        return SUCCESS
    click.echo(f"{click.style('planned, not run', bold=True)} (mode: Plan)")
    for name, value in (
        plan | {"recipe": json.dumps(run.plan.recipe), "sources": ", ".join(sources)}
    ).items():
        click.echo(f"  {name:<10} {value}")
    return SUCCESS


def say_failure(report: dict[str, Any]) -> None:
    """Why the run failed, in words on stderr."""
    error = report["error"]
    click.echo(f"{click.style(error['code'], fg='red', bold=True)}  {error['message']}", err=True)
    if error["hint"]:
        click.echo(f"  {click.style('how to mend:', bold=True)} {error['hint']}", err=True)


def say_success(report: dict[str, Any]) -> None:
    """The asset in words on stdout."""
    title = f"{report['dataset_id']} v{report['version']}"
    click.echo(f"{click.style(title, bold=True)}  {report['rows']:,} rows in {report['seconds']:.2f} s")
    bounds = report["bounds"]
    lines = {
        "geometry": f"{report['geometry_type']}, {report['crs']}",
        "bounds": ", ".join(f"{number:.6g}" for number in bounds) if bounds else "no geometry",
        "file": report["path"] or report["uri"],
        "hash": report["content_hash"],
    }
    for name, value in lines.items():
        click.echo(f"  {name:<9} {value}")
