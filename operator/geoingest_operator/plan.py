"""Planning: an ingest and facts about its sources become a run, its partition and its first event.

`plan_run` is pure; `gather_facts` only asks the landing bucket about objects, never reads one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from geoingest import naming
from geoingest.errors.run import LaneNotInstalledError, SourceNotFoundError
from geoingest.events import Event, run_requested
from geoingest.model.ingest import Ingest
from geoingest.model.manifest import ManifestFile, dataset_id, manifest_document, run_attributes
from geoingest.model.records import Dataset, ManifestRecord
from geoingest.model.run import STAGES, Plan, Run, RunStatus, Source, SourceMember, StageState
from geoingest.routing import lane_of, refuse_switched_off
from geoingest.settings import INSTALLED_LANES, Settings
from geoingest.stores.objects.port import ObjectInfo, ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Everything that is written when a run begins, and the event that starts it.

    `only_plan`: the ingest asks for its plan and nothing else; nothing of this is written.
    """

    only_plan: bool
    run: Run
    manifest: ManifestRecord
    dataset: Dataset
    event: Event


def gather_facts(ingest: Ingest, objects: ObjectStore, settings: Settings) -> tuple[Source, ...]:
    """The manifest's files with the objects they consist of, pinned by ETag.

    Raises: LaneDisabledError, LaneNotInstalledError: nobody would take the run. SourceNotFoundError: a file is missing.
    """
    lane = lane_of(ingest.manifest.intent)
    # First: to ask for a lane to be switched on is no help where its code is missing.
    if lane not in INSTALLED_LANES:
        raise LaneNotInstalledError(lane=lane, installed=INSTALLED_LANES)
    refuse_switched_off(lane, settings.lanes)
    return tuple(_pin_source(file, objects, settings.landing_bucket) for file in ingest.manifest.files)


def plan_run(
    ingest: Ingest,
    sources: Sequence[Source],
    settings: Settings,
    *,
    token: str,
    now: datetime,
    attempt: int = 1,
    manifest_path: str | None = None,
) -> Planned:
    """The run of one attempt of an ingest: the same arguments always give the same plan.

    Args: token: what the run's events must carry; manifest_path: where the manifest lay, null when it was made
        by the command line.
    """
    run_id = naming.run_id(uid=ingest.uid, attempt=attempt)
    attributes = run_attributes(ingest.manifest)
    run = Run(
        run_id=run_id,
        namespace=ingest.namespace,
        name=ingest.name,
        uid=ingest.uid,
        attempt=attempt,
        dataset_id=dataset_id(ingest.manifest, seed=ingest.uid),
        manifest_id=str(uuid.uuid5(naming.NAMESPACE, f"manifest/{ingest.uid}")),
        intent=ingest.manifest.intent,
        lane=lane_of(ingest.manifest.intent),
        execution="service",
        engine=ingest.engine or settings.engine,
        token=token,
        operator=attributes.operator,
        source=attributes.source,
        testing=attributes.testing,
        plan=Plan(
            sources=tuple(sources),
            recipe=ingest.recipe.model_dump(mode="json") if ingest.recipe else {},
            deadline_at=now + timedelta(seconds=ingest.deadline_s) if ingest.deadline_s else None,
        ),
        stages={name: StageState() for name in STAGES},
        created_at=now,
        updated_at=now,
    )
    return Planned(
        only_plan=ingest.mode == "Plan",
        run=run,
        manifest=_manifest_record(ingest, run, manifest_path),
        dataset=Dataset(
            dataset_id=run.dataset_id, title=ingest.manifest.metadata.title, created_at=now, updated_at=now
        ),
        event=first_event(run),
    )


def first_event(run: Run) -> Event:
    """The event that starts the run; the same one, with the same id, however often it is made."""
    return run_requested(
        run_id=run.run_id,
        attempt=run.attempt,
        token=run.token,
        namespace=run.namespace,
        name=run.name,
        dataset_id=run.dataset_id,
        intent=run.intent,
        execution=run.execution,
        time=run.created_at,
    )


def _manifest_record(ingest: Ingest, run: Run, path: str | None) -> ManifestRecord:
    return ManifestRecord(
        manifest_id=run.manifest_id,
        status=RunStatus.RUNNING,
        content=manifest_document(ingest.manifest),
        path=path,
        run_id=run.run_id,
        dataset_id=run.dataset_id,
        uploader=ingest.manifest.uploader,
        created_at=run.created_at,
        updated_at=run.updated_at,
    )


def _pin_source(file: ManifestFile, objects: ObjectStore, bucket: str) -> Source:
    key = file.path.removeprefix(f"s3://{bucket}/")
    members = tuple(_pin(item) for item in _objects_of(key, objects, bucket))
    if not members:
        raise SourceNotFoundError(path=file.path)
    return Source(
        path=file.path,
        type=file.type,
        format=file.format,
        members=members,
        layer=file.layer,
        crs=file.crs,
        force_crs=file.force_crs,
        encoding=file.encoding,
    )


def _objects_of(key: str, objects: ObjectStore, bucket: str) -> Iterator[ObjectInfo]:
    """The object itself, a Shapefile with its sidecars, or everything in a File Geodatabase's folder."""
    main = objects.head(bucket, key)
    if main is None:
        if key.lower().endswith(".gdb"):
            yield from objects.list(bucket, f"{key}/")
        return
    yield main
    if key.lower().endswith(".shp"):
        stem = key[: -len("shp")]
        yield from (
            item for item in objects.list(bucket, stem) if item.key != key and _is_sidecar(item.key, stem)
        )


def _is_sidecar(key: str, stem: str) -> bool:
    extension = key.removeprefix(stem).lower()
    return extension in {"shx", "dbf", "prj", "cpg", "sbn", "sbx", "qpj", "shp.xml"}


def _pin(item: ObjectInfo) -> SourceMember:
    return SourceMember(path=item.uri, etag=item.etag, size_bytes=item.size_bytes)
