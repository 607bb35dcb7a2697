"""Settings: read once from the environment at an entry point, then passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from geoingest.errors import PermanentError

ObjectStoreKind: TypeAlias = Literal["directory", "s3"]
MONGO_SCHEMES = ("mongodb://", "mongodb+srv://")
# The lanes whose code this version carries.
INSTALLED_LANES = ("vector",)
ENGINES = ("embedded", "postgis")


class SettingInvalidError(PermanentError):
    """A setting has a value that cannot be used."""

    code = "SETTING_INVALID"

    def __init__(self, *, name: str, got: str, expected: str) -> None:
        super().__init__(f"{name} is {got!r}, expected {expected}", hint=f"set {name} or leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where a process keeps things and how patient it is.

    `home` holds the buckets, the scratch space and the ledger of a local installation. `object_store` "s3": the buckets
    are in an S3 store, found by the AWS variables. `ledger_uri`: a MongoDB instead of the SQLite file, null for
    that file; it may hold a password. `scratch_dir` null: below `home`. It is a folder on local disk in any case: the
    processes that serve the stages of one run must share it, so they run on one machine.
    `lease_s`: how long a stage stays claimed without a sign of life. `postgis_dsn`: a libpq connection string
    with its password, null without PostGIS. No representation shows a secret.
    """

    home: Path
    landing_bucket: str = "landing-zone"
    lake_bucket: str = "data-lake"
    object_store: ObjectStoreKind = "directory"
    ledger_uri: str | None = field(default=None, repr=False)
    scratch_dir: Path | None = None
    engine: str = "embedded"
    lanes: tuple[str, ...] = INSTALLED_LANES
    lease_s: float = 60.0
    threads: int = 2
    postgis_dsn: str | None = field(default=None, repr=False)

    @property
    def scratch(self) -> Path:
        """The transient space: one folder a run, gone when the run is over."""
        return self.scratch_dir or self.home / "scratch"

    @property
    def ledger(self) -> Path:
        """The folder of the ledger's file and of the locks of this machine's live runs."""
        return self.home / "ledger"


def read_settings(environment: Mapping[str, str], *, home: Path | None = None, threads: int = 2) -> Settings:
    """The settings that `GEOINGEST_*` variables give, defaults elsewhere; `home` wins over GEOINGEST_HOME.

    Raises: SettingInvalidError: a value that cannot be used.
    """
    engine = environment.get("GEOINGEST_ENGINE", "embedded")
    if engine not in ENGINES:
        raise SettingInvalidError(name="GEOINGEST_ENGINE", got=engine, expected=" or ".join(ENGINES))
    lanes = tuple(filter(None, environment.get("GEOINGEST_LANES", ",".join(INSTALLED_LANES)).split(",")))
    scratch = environment.get("GEOINGEST_SCRATCH_DIR")
    return Settings(
        home=(home or Path(environment.get("GEOINGEST_HOME", ".geoingest"))).absolute(),
        landing_bucket=environment.get("GEOINGEST_LANDING_BUCKET", "landing-zone"),
        lake_bucket=environment.get("GEOINGEST_LAKE_BUCKET", "data-lake"),
        object_store=_object_store(environment),
        ledger_uri=_ledger_uri(environment),
        scratch_dir=Path(scratch).absolute() if scratch else None,
        engine=engine,
        lanes=lanes,
        lease_s=_seconds(environment, "GEOINGEST_LEASE_S", 60.0),
        threads=threads,
        postgis_dsn=_secret(environment, "GEOINGEST_POSTGIS_DSN"),
    )


def _object_store(environment: Mapping[str, str]) -> ObjectStoreKind:
    kind = environment.get("GEOINGEST_OBJECT_STORE", "directory")
    if kind == "s3":
        return "s3"
    if kind == "directory":
        return "directory"
    raise SettingInvalidError(name="GEOINGEST_OBJECT_STORE", got=kind, expected="directory or s3")


def _ledger_uri(environment: Mapping[str, str]) -> str | None:
    name = "GEOINGEST_LEDGER_URI"
    uri = _secret(environment, name)
    if uri and not uri.startswith(MONGO_SCHEMES):
        # It may hold a password, and be misspelt.
        raise SettingInvalidError(
            name=name, got="(not shown)", expected=" or ".join(f"{s}..." for s in MONGO_SCHEMES)
        )
    return uri


def _secret(environment: Mapping[str, str], name: str) -> str | None:
    """The variable's value, or what the file holds that `name` and _FILE names; null when neither is set."""
    value, file = environment.get(name), environment.get(f"{name}_FILE")
    if value and file:
        raise SettingInvalidError(name=f"{name}_FILE", got=file, expected=f"one of it and {name}, not both")
    if not file:
        return value or None
    try:
        return Path(file).read_text("utf-8").strip() or None
    except (OSError, ValueError):
        expected = "a file that can be read, with the value in it"
        raise SettingInvalidError(name=f"{name}_FILE", got=file, expected=expected) from None


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise SettingInvalidError(name=name, got=text, expected="a number of seconds above 0")
    return value
