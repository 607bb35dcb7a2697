"""What can be said of the PostGIS engine without a server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from geoingest.engines import open_space
from geoingest.engines.postgis_schemas import find_server
from geoingest.errors import PermanentError, TransientError
from geoingest.errors.postgis import PostgisDsnInvalidError, PostgisNotConfiguredError

DSN = "postgresql://geoingest:canary@db.example:5433/gis?application_name=mine&sslmode=require"
RUN = "6f3c1c52-6a0f-5d0e-9d55-5a7b0d3c8e41"


def test_a_server_is_shown_without_its_password_and_sessions_carry_the_runs_name():
    server = find_server(DSN, run_id=RUN)
    assert repr(server) == "Server(name='db.example:5433/gis')"
    assert f"application_name='geoingest {RUN}'" in server.conninfo
    assert "sslmode=require" in server.conninfo


@pytest.mark.parametrize(
    "dsn", ["host=db password=canary secret", "postgresql://u:canary@[db/x", "nonsense=canary"]
)
def test_a_connection_string_that_is_none_is_not_shown(dsn):
    with pytest.raises(PostgisDsnInvalidError) as caught:
        find_server(dsn)
    assert "canary" not in str(caught.value) + caught.value.hint
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("sqlstate", "branch", "word"),
    [
        pytest.param(None, TransientError, "does not answer", id="no answer"),
        pytest.param("08006", TransientError, "broke", id="connection lost"),
        pytest.param("28P01", TransientError, "password", id="wrong password"),
        pytest.param("53100", TransientError, "disk", id="disk full"),
        pytest.param("57014", TransientError, "stopped", id="timed out"),
        pytest.param("55P03", TransientError, "locked", id="lock"),
        pytest.param("40P01", TransientError, "another", id="deadlock"),
        pytest.param("42501", PermanentError, "right", id="privilege"),
        pytest.param("42883", PermanentError, "function is missing", id="no PostGIS"),
        pytest.param("54000", PermanentError, "larger", id="over a gigabyte"),
        pytest.param("XX000", PermanentError, "XX000", id="anything else"),
    ],
)
def test_a_sqlstate_decides_whether_a_retry_is_worth_it(sqlstate, branch, word):
    error = find_server(DSN).error(sqlstate)
    assert isinstance(error, branch)
    assert word in error.message
    assert "canary" not in error.message


def test_without_a_connection_string_the_engine_says_how_to_give_one(tmp_path):
    with pytest.raises(PostgisNotConfiguredError, match="GEOINGEST_POSTGIS_DSN"):
        open_space(engine="postgis", run_id=RUN, dsn=None, scratch=tmp_path, work_dir=tmp_path, threads=1)


def test_what_the_janitor_needs_of_it_loads_no_arrow():
    code = "import sys, geoingest.engines.postgis_schemas; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"numpy", "pyarrow", "shapely", "pyproj", "adbc_driver_manager"} & set(loaded.stdout.split())
