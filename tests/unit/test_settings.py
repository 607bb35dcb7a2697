"""Settings: what the environment says, checked once; secrets are not shown."""

from __future__ import annotations

import pytest

from geoingest.settings import SettingInvalidError, read_settings


@pytest.mark.parametrize("engine", ["embedded", "postgis"])
def test_the_engine_is_one_of_two(engine, tmp_path):
    assert read_settings({"GEOINGEST_ENGINE": engine}, home=tmp_path).engine == engine
    with pytest.raises(SettingInvalidError, match="embedded or postgis"):
        read_settings({"GEOINGEST_ENGINE": "duckdb"}, home=tmp_path)


def test_the_connection_string_comes_from_a_variable_or_a_file_and_is_shown_nowhere(tmp_path):
    (tmp_path / "dsn").write_text("host=db password=canary\n")
    from_file = read_settings({"GEOINGEST_POSTGIS_DSN_FILE": str(tmp_path / "dsn")}, home=tmp_path)
    given = read_settings({"GEOINGEST_POSTGIS_DSN": "host=db password=canary"}, home=tmp_path)
    assert from_file == given
    assert given.postgis_dsn == "host=db password=canary"
    assert "canary" not in repr(given)
    assert read_settings({"GEOINGEST_POSTGIS_DSN": ""}, home=tmp_path).postgis_dsn is None


def test_a_file_for_the_connection_string_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingInvalidError, match="GEOINGEST_POSTGIS_DSN_FILE"):
        read_settings({"GEOINGEST_POSTGIS_DSN_FILE": str(tmp_path / "none")}, home=tmp_path)
