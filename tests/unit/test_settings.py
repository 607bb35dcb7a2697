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
