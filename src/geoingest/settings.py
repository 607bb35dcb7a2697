"""Settings: read once from the environment at an entry point, then passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from geoingest.errors import PermanentError

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

    `home` holds the buckets, the scratch space and the ledger of a local installation.
    `lease_s`: how long a stage stays claimed without a sign of life. `postgis_dsn`: a libpq connection string with
    its password, null without PostGIS; no representation shows it.
    """

    home: Path
    landing_bucket: str = "landing-zone"
    lake_bucket: str = "data-lake"
    engine: str = "embedded"
    lanes: tuple[str, ...] = INSTALLED_LANES
    lease_s: float = 60.0
    threads: int = 2
    postgis_dsn: str | None = field(default=None, repr=False)

    @property
    def scratch(self) -> Path:
        """The transient space: one folder a run, gone when the run is over."""
        return self.home / "scratch"

    @property
    def ledger(self) -> Path:
        """The folder of the ledger's file and of the locks of live runs."""
        return self.home / "ledger"


def read_settings(environment: Mapping[str, str], *, home: Path | None = None, threads: int = 2) -> Settings:
    """The settings that `GEOINGEST_*` variables give, defaults elsewhere; `home` wins over GEOINGEST_HOME.

    Raises: SettingInvalidError: a value that cannot be used.
    """
    engine = environment.get("GEOINGEST_ENGINE", "embedded")
    if engine not in ENGINES:
        raise SettingInvalidError(name="GEOINGEST_ENGINE", got=engine, expected=" or ".join(ENGINES))
    lanes = tuple(filter(None, environment.get("GEOINGEST_LANES", ",".join(INSTALLED_LANES)).split(",")))
    return Settings(
        home=(home or Path(environment.get("GEOINGEST_HOME", ".geoingest"))).absolute(),
        landing_bucket=environment.get("GEOINGEST_LANDING_BUCKET", "landing-zone"),
        lake_bucket=environment.get("GEOINGEST_LAKE_BUCKET", "data-lake"),
        engine=engine,
        lanes=lanes,
        lease_s=_seconds(environment, "GEOINGEST_LEASE_S", 60.0),
        threads=threads,
        postgis_dsn=_secret(environment, "GEOINGEST_POSTGIS_DSN"),
    )


def _secret(environment: Mapping[str, str], name: str) -> str | None:
    """The variable's value, or what the file holds that `name` and _FILE names; null when neither is set."""
    path = environment.get(f"{name}_FILE")
    if not path:
        return environment.get(name) or None
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise SettingInvalidError(
            name=f"{name}_FILE", got=path, expected="a file that can be read"
        ) from error


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise SettingInvalidError(name=name, got=text, expected="a number of seconds above 0")
    return value
