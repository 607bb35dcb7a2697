"""A PostgreSQL server with PostGIS for tests: found on this machine, started in a temporary folder, gone at the end."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

ROLE_SQL = Path(__file__).parents[1] / "src" / "geoingest" / "engines" / "postgis_role.sql"
OLDEST = 15
# Where Debian, Fedora and Homebrew put servers, besides what pg_config says.
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": "4GB"}


class MissingError(Exception):
    """What this machine lacks for a server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server with the database `gis`. `superuser` and `dsn` are connection strings; `dsn` is geoingest's role's."""

    folder: Path
    superuser: str
    dsn: str
    password: str


@contextmanager
def running_server() -> Iterator[RunningServer]:
    """A server while the block lasts. Raises: MissingError: with what is missing."""
    programs, account = find_programs(), unprivileged_account()
    # Right below /tmp: the path of a socket is short.
    folder = Path(tempfile.mkdtemp(prefix="geoingest-postgres-", dir="/tmp"))
    try:
        if account:
            shutil.chown(folder, account)
        port = _free_port()
        run = _runner(programs, account)
        run("initdb", "-D", folder / "data", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync",
            "--auth-local=trust", "--auth-host=scram-sha-256")  # fmt: skip
        options = FAST | {
            "unix_socket_directories": str(folder),
            "listen_addresses": "127.0.0.1",
            "port": str(port),
        }
        flags = " ".join(f"-c {name}={value}" for name, value in options.items())
        run("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-o", flags, "-w", "start")
        try:
            yield _with_database(programs, folder, port)
        finally:
            run("pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_programs() -> Path:
    """The folder of the newest server's programs. Raises: MissingError."""
    found = [path for pattern in FOLDERS for path in Path("/").glob(f"{pattern[1:]}/initdb")]
    on_path = shutil.which("initdb")
    found += [Path(on_path).resolve()] if on_path else []
    extended = [path.parent for path in found if _version(path) >= OLDEST and _has_postgis(path.parent)]
    if not extended:
        raise MissingError(f"no PostgreSQL {OLDEST} or later with PostGIS here: scripts/install-services")
    return max(extended, key=lambda folder: _version(folder / "initdb"))


def unprivileged_account() -> str | None:
    """Who the server runs as; null for whoever runs this. Raises: MissingError: root, and nobody else there."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known and shutil.which("runuser"):
            return name
    raise MissingError("PostgreSQL does not run as root, and neither runuser nor another account is there")


def _version(initdb: Path) -> int:
    answer = subprocess.run([initdb, "--version"], capture_output=True, check=True, text=True).stdout
    return int(answer.split()[2].partition(".")[0])


def _has_postgis(programs: Path) -> bool:
    config = programs / "pg_config"
    if config.exists():
        asked = subprocess.run([config, "--sharedir"], capture_output=True, check=True, text=True)
        share = Path(asked.stdout.strip())
    else:
        share = Path("/usr/share/postgresql") / str(_version(programs / "initdb"))
    return (share / "extension" / "postgis.control").exists()


def _runner(programs: Path, account: str | None):
    def run(program: str, *arguments: str | Path) -> None:
        switch = ["runuser", "-u", account, "--"] if account else []
        command = [*switch, programs / program, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    return run


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _with_database(programs: Path, folder: Path, port: int) -> RunningServer:
    superuser = make_conninfo(host=str(folder), port=port, user="postgres", dbname="gis")
    password = f"canary-{secrets.token_hex(8)}"
    with psycopg.connect(superuser, dbname="postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE gis")
    psql = programs / "psql" if (programs / "psql").exists() else "psql"
    command = [
        psql,
        "--quiet",
        "--no-psqlrc",
        "--dbname",
        superuser,
        "--variable=role=geoingest",
        "--file",
        ROLE_SQL,
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("ALTER ROLE geoingest PASSWORD {}").format(password))
    dsn = f"postgresql://geoingest:{password}@127.0.0.1:{port}/gis"
    return RunningServer(folder=folder, superuser=superuser, dsn=dsn, password=password)
