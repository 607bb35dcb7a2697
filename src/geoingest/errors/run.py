"""Errors of a run as the platform sees it: planning, claims, stores, liveness."""

from __future__ import annotations

from geoingest.errors import PermanentError, TransientError


class SourceNotFoundError(PermanentError):
    """A file that the manifest names is not in the landing bucket."""

    code = "SOURCE_NOT_FOUND"

    def __init__(self, *, path: str) -> None:
        super().__init__(
            f"{path}: no such file",
            hint="check the spelling, and that the upload finished before the manifest was written",
        )


class SourceChangedError(PermanentError):
    """A source object was replaced after the run was planned."""

    code = "SOURCE_CHANGED"

    def __init__(self, *, path: str, expected: str, got: str) -> None:
        super().__init__(
            f"{path}: replaced while the run was going on (etag {expected} when planned, now {got})",
            hint="ingest again: the new content is a new run",
        )


class LaneNotInstalledError(PermanentError):
    """The lane is known, but this installation does not carry its code."""

    code = "LANE_NOT_INSTALLED"

    def __init__(self, *, lane: str, installed: tuple[str, ...]) -> None:
        super().__init__(
            f"lane {lane} is not part of this installation, which has: {', '.join(installed)}",
            hint="use an intent of an installed lane",
        )


class DatasetKindDiffersError(PermanentError):
    """A dataset id keeps one kind for all its versions."""

    code = "DATASET_KIND_DIFFERS"

    def __init__(self, *, dataset_id: str, kind: str, existing: str) -> None:
        super().__init__(
            f"dataset {dataset_id} holds {existing} assets, this run would add a {kind} one",
            hint="give the ingest another dataset_id",
        )


class DatasetNotFoundError(PermanentError):
    """No available asset has this dataset id and version."""

    code = "DATASET_NOT_FOUND"

    def __init__(self, *, dataset_id: str, version: int | None) -> None:
        which = "(latest)" if version is None else f"v{version}"
        super().__init__(
            f"Dataset not found: {dataset_id} {which}",
            hint="list what there is: geoingest catalog datasets",
        )


class DeadlineExceededError(PermanentError):
    """The run did not end before the deadline that its ingest sets."""

    code = "DEADLINE_EXCEEDED"

    def __init__(self, *, stage: str) -> None:
        super().__init__(
            f"the deadline passed before {stage} was done",
            hint="raise deadline_seconds, or split the input",
        )


class RunAbandonedError(PermanentError):
    """The process that worked on the run is gone, and nothing will finish it."""

    code = "RUN_ABANDONED"

    def __init__(self, *, run_id: str) -> None:
        super().__init__(
            f"run {run_id} stopped before it ended: its process was killed or the machine went down",
            hint="ingest again; nothing of the abandoned run is left",
        )


class DeliveryExhaustedError(PermanentError):
    """A stage failed on every delivery of its event."""

    code = "DELIVERY_EXHAUSTED"

    def __init__(self, *, stage: str, deliveries: int) -> None:
        super().__init__(
            f"{stage} failed {deliveries} times in a row without a reason that more tries would mend",
            hint="the log has the details; please report it with them",
        )


class RunCanceledError(PermanentError):
    """The run was canceled while a stage worked on it; the stage stops and leaves nothing."""

    code = "RUN_CANCELED"

    def __init__(self, *, run_id: str) -> None:
        super().__init__(f"run {run_id} was canceled", hint="ingest again if that was not meant")


class ClaimLostError(TransientError):
    """Another holder took over the stage because this one's lease ran out."""

    code = "CLAIM_LOST"

    def __init__(self, *, run_id: str, stage: str) -> None:
        super().__init__(
            f"{stage} of run {run_id} was taken over by another holder",
            hint="nothing to do: the other holder finishes it",
        )


class LedgerUnavailableError(TransientError):
    """The ledger does not answer, or stays locked by others."""

    code = "LEDGER_UNAVAILABLE"

    def __init__(self, *, ledger: str, reason: str) -> None:
        super().__init__(f"ledger {ledger}: {reason}", hint="check that it is reachable and writable")


class LedgerUriInvalidError(PermanentError):
    """The ledger's address is no MongoDB URI. It may hold a password, so it is not shown."""

    code = "LEDGER_URI_INVALID"

    def __init__(self) -> None:
        super().__init__(
            "the ledger's address is no valid MongoDB URI (not shown: it may hold a password)",
            hint="GEOINGEST_LEDGER_URI=mongodb://USER:PASSWORD@HOST/DATABASE, name and password percent-encoded",
        )


class StoreUnavailableError(TransientError):
    """The object store does not take or give an object at the moment."""

    code = "STORE_UNAVAILABLE"

    def __init__(self, *, where: str, reason: str) -> None:
        super().__init__(
            f"{where}: {reason}", hint="check that the store is reachable, writable and not full"
        )


class StoreAccessDeniedError(PermanentError):
    """The object store knows the credentials and refuses the act, or there are no credentials to show it."""

    code = "STORE_ACCESS_DENIED"

    def __init__(self, *, where: str, reason: str) -> None:
        super().__init__(
            f"{where}: access denied ({reason})",
            hint="check the credentials that AWS variables, profile or role give, and what they may do",
        )


class BucketNotFoundError(PermanentError):
    """The object store has no bucket of this name."""

    code = "BUCKET_NOT_FOUND"

    def __init__(self, *, bucket: str) -> None:
        super().__init__(
            f"there is no bucket {bucket}",
            hint="create it, or name another: GEOINGEST_LANDING_BUCKET, GEOINGEST_LAKE_BUCKET",
        )


class ObjectKeyInvalidError(PermanentError):
    """A key that could leave its bucket, or that no object store takes."""

    code = "OBJECT_KEY_INVALID"

    def __init__(self, *, key: str) -> None:
        super().__init__(
            f"object key {key!r} is empty, absolute, or climbs out of its bucket", hint="use a plain key"
        )
