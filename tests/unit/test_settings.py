"""Settings from the environment: what is meant is taken, what cannot be used is refused, what is secret stays so."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoingest.settings import SettingInvalidError, read_settings

CANARY = "canary-password"
URI = f"mongodb://ada:{CANARY}@host/ledger"


def test_a_laptop_needs_no_setting():
    settings = read_settings({})
    assert (settings.object_store, settings.ledger_uri) == ("directory", None)
    assert settings.scratch == Path(".geoingest/scratch").absolute()


def test_the_platform_names_its_stores_and_a_scratch_folder(tmp_path):
    settings = read_settings(
        {
            "GEOINGEST_OBJECT_STORE": "s3",
            "GEOINGEST_LEDGER_URI": URI,
            "GEOINGEST_SCRATCH_DIR": str(tmp_path),
        }
    )
    assert (settings.object_store, settings.ledger_uri, settings.scratch) == ("s3", URI, tmp_path)
    assert CANARY not in repr(settings)


def test_the_ledger_may_be_named_in_a_file(tmp_path):
    (tmp_path / "uri").write_text(f"{URI}\n")
    assert read_settings({"GEOINGEST_LEDGER_URI_FILE": str(tmp_path / "uri")}).ledger_uri == URI


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        pytest.param({"GEOINGEST_OBJECT_STORE": "gcs"}, "GEOINGEST_OBJECT_STORE is 'gcs'", id="object store"),
        pytest.param({"GEOINGEST_LEDGER_URI": f"mongo:{CANARY}"}, "GEOINGEST_LEDGER_URI", id="scheme"),
        pytest.param({"GEOINGEST_LEDGER_URI_FILE": "/no/such/file"}, "_URI_FILE is '/no", id="no file"),
        pytest.param(
            {"GEOINGEST_LEDGER_URI": URI, "GEOINGEST_LEDGER_URI_FILE": "f"}, "not both", id="given twice"
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(environment, named):
    with pytest.raises(SettingInvalidError, match=named) as raised:
        read_settings(environment)
    assert CANARY not in f"{raised.value!r} {raised.value.as_dict()}"


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
