"""`geoingest run`: the whole chain in this process, from files or a manifest to a catalogued asset."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geoingest.cli.interruption import Interruption
from geoingest.cli.options import home_option, json_option

if TYPE_CHECKING:
    from geoingest.cli.sources import DataOptions
    from geoingest.runtime.platform import Platform
    from geoingest_operator.plan import Planned


@click.command("run", short_help="ingest files or a manifest")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@home_option
@click.option("--intent", help="What to do with data files.  [default: by their content]")
@click.option("--dataset-id", help="Dataset to add a version to.  [default: a new one]")
@click.option("--title", help="Title in the catalogue.  [default: the file's name]")
@click.option("--layer", help="Layer to read, where a file has several.")
@click.option("--crs", help="CRS of data that names none, as AUTHORITY:CODE.")
@click.option("--engine", type=click.Choice(["embedded", "postgis"]), help="Where the transient table lives.")
@json_option
def command(
    *,
    sources: tuple[str, ...],
    home: str | None,
    intent: str | None,
    dataset_id: str | None,
    title: str | None,
    layer: str | None,
    crs: str | None,
    engine: str | None,
    as_json: bool,
) -> None:
    """Ingest SOURCE: data files, or one manifest or DatasetIngest file.

    s3://landing-zone/... paths resolve below the home folder. Exits 0 on success, 1 when the run
    failed, 2 when the input was refused before running.
    """
    started = time.monotonic()
    from geoingest.cli.output import refusals
    from geoingest.cli.sources import DataOptions
    from geoingest.runtime.platform import open_platform
    from geoingest.settings import read_settings

    options = DataOptions(intent=intent, dataset_id=dataset_id, title=title, layer=layer, crs=crs)
    environment = dict(os.environ) | ({"GEOINGEST_ENGINE": engine} if engine else {})
    with refusals(as_json=as_json), Interruption() as interruption:
        settings = read_settings(environment, home=Path(home) if home else None)
        with open_platform(settings) as platform:
            code = run_sources(platform, sources, options, interruption, started=started, as_json=as_json)
    sys.exit(code)


def run_sources(
    platform: Platform,
    sources: tuple[str, ...],
    options: DataOptions,
    interruption: Interruption,
    *,
    started: float,
    as_json: bool,
) -> int:
    """Plan and run what the sources ask for, and tell how it ended; the exit code.

    Raises: GeoingestError: the input was refused; a refused manifest was recorded.
    """
    from geoingest.cli import local, report
    from geoingest.cli.progress import show_progress
    from geoingest_operator.janitor import sweep

    sweep(platform)
    planned, manifest = plan_sources(platform, sources, options)
    if planned.only_plan:
        return report.tell_plan(planned.run, as_json=as_json)
    interruption.check()
    with show_progress(quiet=not sys.stderr.isatty()) as watch:
        run = local.run_planned(platform, planned, watch=interruption.checked(watch), manifest=manifest)
    ended = report.report_run(platform, run, seconds=time.monotonic() - started)
    return report.tell(ended, as_json=as_json)


def plan_sources(
    platform: Platform, sources: tuple[str, ...], options: DataOptions
) -> tuple[Planned, Path | None]:
    """The plan, and the manifest file it came from (null for data files).

    Raises: GeoingestError: the input was refused; a refused manifest was recorded and archived.
    """
    from geoingest.cli import local
    from geoingest.cli.sources import find_manifest, identified, ingest_of_files, ingest_of_manifest
    from geoingest.errors import PermanentError
    from geoingest_operator.intake import record_rejection

    manifest = find_manifest(platform, sources)
    if manifest is None:
        ingest = ingest_of_files(platform, sources, options)
        return local.plan_ingest(platform, identified(ingest, name=Path(sources[0]).stem)), None
    content = manifest.read_bytes()
    try:
        ingest = identified(ingest_of_manifest(platform, manifest), name=manifest.stem)
        return local.plan_ingest(platform, ingest, manifest_path=str(manifest)), manifest
    except PermanentError as error:
        record_rejection(platform, error, content=content, path=manifest)
        raise
