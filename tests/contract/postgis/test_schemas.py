"""Runs' schemas on a server: made by a role that may do nothing else, gone with the run; secrets stay secret."""

from __future__ import annotations

import traceback

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from geoingest.engines import open_space
from geoingest.engines.postgis_schemas import drop_schema, examine_server, find_server, list_run_schemas
from geoingest.engines.postgis_tables import RunTables
from geoingest.errors.postgis import PostgisDsnInvalidError, PostgisRefusedError, PostgisUnavailableError
from geoingest.naming import schema_name


def make_schema(server, run_id):
    found = find_server(server.dsn, run_id=run_id)
    with found.session() as session:
        RunTables(found, run_id).make_schema(session)


def test_a_schema_is_listed_by_its_run_and_dropped_any_number_of_times(server, run_id, superuser):
    superuser.execute("CREATE SCHEMA IF NOT EXISTS run_of_somebody_else")
    make_schema(server, run_id)
    make_schema(server, run_id)
    assert list_run_schemas(server.dsn) == [run_id]
    drop_schema(server.dsn, run_id)
    drop_schema(server.dsn, run_id)
    assert list_run_schemas(server.dsn) == []


def test_dropping_ends_what_still_works_in_the_schema_and_nothing_else(server, run_id):
    make_schema(server, run_id)
    with (
        psycopg.connect(find_server(server.dsn, run_id=run_id).conninfo) as zombie,
        psycopg.connect(find_server(server.dsn).conninfo) as other,
    ):
        zombie.execute(f"LOCK TABLE {schema_name(run_id)}.parts")
        drop_schema(server.dsn, run_id)
        with pytest.raises(psycopg.OperationalError):
            zombie.execute("SELECT 1")
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_the_role_makes_schemas_and_nothing_else(server):
    with psycopg.connect(server.dsn, autocommit=True) as session:
        rights = session.execute(
            "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert rights == (False,)
        for statement in (
            "INSERT INTO spatial_ref_sys (srid) VALUES (999999)",
            "CREATE TABLE public.durable (id int)",
            "CREATE DATABASE another",
            "SELECT pg_read_file('/etc/passwd')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement)


def test_sessions_have_limits_and_say_whose_they_are(server, run_id):
    with find_server(server.dsn, run_id=run_id).session() as session:
        asked = (
            "SELECT current_setting(name)"
            " FROM unnest(ARRAY['application_name', 'statement_timeout', 'lock_timeout']) AS name"
        )
        assert session.execute(asked).fetchall() == [(f"geoingest {run_id}",), ("6h",), ("30s",)]


def wrong_password(server):
    return make_conninfo(server.dsn, password="canary-wrong")


def nobody_there(server):
    return make_conninfo(server.dsn, port=1)


def malformed(server):
    return f"host=127.0.0.1 password={server.password} canary-wrong"


@pytest.mark.parametrize("broken", [wrong_password, nobody_there, malformed])
@pytest.mark.parametrize("reach", [examine_server, list_run_schemas])
def test_no_error_shows_a_password(server, reach, broken, caplog, capfd):
    with pytest.raises((PostgisUnavailableError, PostgisDsnInvalidError)) as caught:
        reach(broken(server))
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint + repr(vars(caught.value))
    assert "canary" not in shown + caplog.text + "".join(capfd.readouterr()) + repr(find_server(server.dsn))


@pytest.mark.parametrize("broken", [wrong_password, nobody_there])
def test_bulk_transfer_that_cannot_begin_is_an_outage_without_secrets(server, run_id, tmp_path, broken):
    space = open_space(
        engine="postgis", run_id=run_id, dsn=broken(server), scratch=tmp_path, work_dir=tmp_path, threads=1
    )
    with pytest.raises(PostgisUnavailableError) as caught:
        space.read()
    assert "canary" not in str(caught.value) + repr(vars(caught.value))


def test_a_missing_right_is_told_in_our_words(server, superuser):
    superuser.execute("CREATE ROLE powerless LOGIN PASSWORD 'canary'")
    dsn = make_conninfo(server.dsn, user="powerless", password="canary")
    with pytest.raises(PostgisRefusedError, match=r"the role lacks a right \(SQLSTATE 42501\)"):
        examine_server(dsn)
    superuser.execute("DROP ROLE powerless")


def test_a_server_is_examined(server):
    assert "/gis, PostGIS 3." in examine_server(server.dsn)
