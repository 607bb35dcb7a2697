"""`geoingest show`: one dataset version as a person wants to see it, in words or as a page with a map."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geoingest.cli.options import home_option, json_option

if TYPE_CHECKING:
    from geoingest.model.asset import Asset
    from geoingest.runtime.platform import Platform

# DATASET or DATASET@v3; a dataset id holds no "@".
WANTED = re.compile(r"(?P<dataset>[^@]+)(@v?(?P<version>[1-9][0-9]*))?")


@click.command("show", short_help="describe one dataset version")
@click.argument("dataset", metavar="DATASET[@vN]")
@home_option
@click.option("--html", type=click.Path(dir_okay=False), help="Write a page with a map to this file.")
@json_option
def command(*, dataset: str, home: str | None, html: str | None, as_json: bool) -> None:
    """Describe DATASET, its latest version or version N, with its columns, sources and steps."""
    from geoingest.cli.output import print_json, refusals
    from geoingest.runtime.platform import open_platform
    from geoingest.settings import read_settings

    with refusals(as_json=as_json):
        settings = read_settings(os.environ, home=Path(home) if home else None)
        with open_platform(settings) as platform:
            asset = find_version(platform, dataset)
            document = asset_document(platform, asset)
            if html is not None:
                write_page(platform, document, asset, Path(html))
    if as_json:
        print_json(document)
    elif html is not None:
        click.echo(html)
    else:
        _say(document, asset)


def find_version(platform: Platform, wanted: str) -> Asset:
    """The available asset that `DATASET` or `DATASET@vN` names. Raises: DatasetNotFoundError."""
    from geoingest.errors.run import DatasetNotFoundError
    from geoingest.model.asset import Asset

    match = WANTED.fullmatch(wanted)
    dataset_id = match["dataset"] if match else wanted
    version = int(match["version"]) if match and match["version"] else None
    where: dict[str, Any] = {"dataset_id": dataset_id, "status": "available"}
    where |= {"version": version} if version is not None else {}
    found = platform.documents.find("assets", where, sort=[("version", -1)], limit=1)
    if not found:
        raise DatasetNotFoundError(dataset_id=dataset_id, version=version)
    return Asset.model_validate(found[0])


def asset_document(platform: Platform, asset: Asset) -> dict[str, Any]:
    """The asset's ledger document, with its local `path`, its `uri` and the lineage that leads to it."""
    from geoingest.cli.report import describe_asset

    lineage = platform.documents.find("lineage", {"target_asset_id": asset.asset_id})
    located = {
        name: value for name, value in describe_asset(platform, asset).items() if name in ("uri", "path")
    }
    return asset.model_dump(mode="json") | located | {"lineage": lineage}


def write_page(platform: Platform, document: dict[str, Any], asset: Asset, out: Path) -> None:
    """The page with a map of the asset, at `out`."""
    from geoingest.formats.preview import write_preview

    title = (asset.metadata.title if asset.metadata else "") or asset.dataset_id
    with tempfile.TemporaryDirectory() as folder:
        path = Path(document["path"] or f"{folder}/data")
        if document["path"] is None:
            platform.objects.fetch(platform.settings.lake_bucket, asset.s3_key, path)
        write_preview(path, out, title=title, facts=facts(document))


def facts(document: dict[str, Any]) -> dict[str, str]:
    """What a person wants to know first, in that order."""
    metadata = document["metadata"]
    box = document["bounds"]
    shown = {
        "dataset": f"{document['dataset_id']} v{document['version']}",
        "description": metadata["description"],
        "rows": f"{document['row_count']:,}",
        "geometry": f"{metadata['geometry_type']}, {document['crs']}",
        "bounds": ", ".join(f"{box[side]:.6g}" for side in ("minx", "miny", "maxx", "maxy"))
        if box
        else "none",
        "columns": ", ".join(metadata["column_schema"] or ()),
        "sources": ", ".join(
            f"{file['path']} ({file['size_bytes']:,} bytes)" for file in document["source_files"]
        ),
        "source CRS": ", ".join(document["source_crs"]),
        "steps": "; ".join(
            _step(step) for edge in document["lineage"] for step in edge["parameters"]["steps"]
        ),
        "license": metadata["license"],
        "attribution": metadata["attribution"],
        "size": f"{document['size_bytes']:,} bytes",
        "hash": document["content_hash"],
        "uri": document["uri"],
        "made": f"{document['updated_at']} by run {document['run_id']}",
    }
    return {name: value for name, value in shown.items() if value}


def _step(step: dict[str, Any]) -> str:
    parameters = ", ".join(f"{name} {value}" for name, value in step["parameters"].items())
    return f"{step['name']}{f' ({parameters})' if parameters else ''}: {step['rows_changed']:,} rows"


def _say(document: dict[str, Any], asset: Asset) -> None:
    title = (asset.metadata.title if asset.metadata else "") or asset.dataset_id
    click.echo(click.style(title, bold=True))
    for name, value in (facts(document) | ({"file": document["path"]} if document["path"] else {})).items():
        click.echo(f"  {name:<12} {value}")
