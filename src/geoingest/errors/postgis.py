"""What stands between a run and its PostGIS server. No message holds the DSN or the server's own text."""

from __future__ import annotations

from geoingest.errors import PermanentError, TransientError


class PostgisUnavailableError(TransientError):
    """PostGIS does not answer, lets nobody in, or is out of something that may come back."""

    code = "POSTGIS_UNAVAILABLE"

    def __init__(self, *, server: str, reason: str) -> None:
        """Args: server: host:port/database."""
        super().__init__(
            f"PostGIS at {server}: {reason}",
            hint="check that the server runs, has room, and takes the role and password of GEOINGEST_POSTGIS_DSN",
        )


class PostgisRefusedError(PermanentError):
    """PostGIS does not do a statement, and would not the next time either."""

    code = "POSTGIS_REFUSED"

    def __init__(self, *, server: str, reason: str, sqlstate: str) -> None:
        """Args: server: host:port/database; sqlstate: the five characters of PostgreSQL's Appendix A."""
        super().__init__(
            f"PostGIS at {server} refused a statement: {reason} (SQLSTATE {sqlstate})",
            hint="the database needs PostGIS 3.2 or later and the role CREATE on it: geoingest doctor tells",
        )
        self.sqlstate = sqlstate


class PostgisNotConfiguredError(PermanentError):
    """The run asks for PostGIS, and this process is not told where it is."""

    code = "POSTGIS_NOT_CONFIGURED"

    def __init__(self) -> None:
        super().__init__(
            "engine postgis: GEOINGEST_POSTGIS_DSN is not set",
            hint="set GEOINGEST_POSTGIS_DSN or GEOINGEST_POSTGIS_DSN_FILE, or use engine embedded",
        )


class PostgisDsnInvalidError(PermanentError):
    """The connection string is no connection string."""

    code = "POSTGIS_DSN_INVALID"

    def __init__(self) -> None:
        super().__init__(
            "GEOINGEST_POSTGIS_DSN cannot be read as a connection string (it is not shown, as it may hold a password)",
            hint="write postgresql://role:password@host:5432/database with %-escapes, or host=... dbname=... user=...",
        )


class EngineNotInstalledError(PermanentError):
    """The engine is known, but this installation does not carry its libraries."""

    code = "ENGINE_NOT_INSTALLED"

    def __init__(self, *, engine: str, extra: str) -> None:
        super().__init__(
            f"engine {engine} is not part of this installation",
            hint=f"install geoingest with the extra {extra}, or use engine embedded",
        )
