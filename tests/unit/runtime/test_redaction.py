"""No secret reaches a log line, whoever logs it and in whatever form it comes."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from geoingest.errors import GeoingestError
from geoingest.runtime.logs import JsonFormatter, bound, configure_logs
from geoingest.runtime.redaction import known_secrets, redact
from geoingest.settings import SettingInvalidError


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param(
            "postgresql://ada:canary@db:5432/gis", "postgresql://***@db:5432/gis", id="user and password"
        ),
        pytest.param("mongodb://ada:can@ary@a,b/x", "mongodb://***@a,b/x", id="an @ in it"),
        pytest.param("redis://:canary@h", "redis://***@h", id="password only"),
        pytest.param("host=db password=canary dbname=gis", "host=db password=*** dbname=gis", id="libpq"),
        pytest.param("password='can ary' x", "password=*** x", id="quoted"),
        pytest.param('{"token": "canary", "a": 1}', '{"token"=***, "a": 1}', id="JSON"),
        pytest.param("{'aws_secret_access_key': 'canary'}", "{'aws_secret_access_key'=***}", id="a dict"),
        pytest.param("AWS_SESSION_TOKEN=canary", "AWS_SESSION_TOKEN=***", id="a variable"),
        pytest.param("Authorization: Bearer canary-canary", "Authorization: Bearer ***", id="bearer"),
        pytest.param("https://s3/b/k?X-Amz-Signature=canary&x=1", "https://s3/b/k?***", id="signed"),
        pytest.param("key AKIACANARYCANARYCANA used", "key *** used", id="access key id"),
        pytest.param("s3://landing-zone/a@b.gpkg", "s3://landing-zone/a@b.gpkg", id="an object's key stays"),
        pytest.param("a.gml: line 3: not closed", "a.gml: line 3: not closed", id="plain words stay"),
    ],
)
def test_what_has_the_form_of_a_secret_is_hidden(text, left):
    assert redact(text) == left


def test_the_settings_own_secrets_are_hidden_wherever_they_turn_up(tmp_path):
    file = tmp_path / "uri"
    file.write_text("mongodb://ada:canary%2Fone@db/x\n")
    environment = {
        "GEOINGEST_LEDGER_URI_FILE": str(file),
        "GEOINGEST_POSTGIS_DSN": "host=db password='canary two' user=ada",
        "AWS_SECRET_ACCESS_KEY": "canary-three",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=canary-four",
        "GEOINGEST_TOKEN": "ab",
        "HOME": "/root",
        "BROKEN_URI": "http://[",
        "MISSING_SECRET_FILE": "/nothing",
    }
    secrets = known_secrets(environment)
    assert secrets == {"canary%2Fone", "canary/one", "canary two", "canary-three", "x-key=canary-four"}
    assert (
        redact("<canary/one>, <canary%2Fone>, <canary-three>, canary two", secrets)
        == "<***>, <***>, <***>, ***"
    )


def line(
    formatter: JsonFormatter, message: str, *, exc_info: object = None, **extra: object
) -> dict[str, object]:
    record = logging.LogRecord("geoingest.x", logging.ERROR, "x.py", 1, message, None, exc_info)
    record.__dict__.update(extra)
    text = formatter.format(record)
    assert "canary" not in text
    assert "\n" not in text
    read = json.loads(text)
    assert isinstance(read, dict)
    return read


def test_a_line_is_one_json_object_with_what_it_is_bound_to():
    formatter = JsonFormatter(frozenset({"canary-known"}))
    with bound(secret="canary-token", run_id="r1", stage="load"):
        inside = line(formatter, "two\nlines canary-token canary-known", fields={"seconds": 1.5})
    outside = line(formatter, "after")
    assert {name: inside[name] for name in ("level", "logger", "message", "run_id", "stage", "seconds")} == {
        "level": "ERROR",
        "logger": "geoingest.x",
        "message": "two\nlines *** ***",
        "run_id": "r1",
        "stage": "load",
        "seconds": 1.5,
    }
    assert outside.keys() == {"time", "level", "logger", "message"}


def test_the_words_and_values_of_an_exception_lose_their_secrets_too():
    formatter = JsonFormatter(frozenset({"canary-known"}))
    cause = OSError("no answer from postgresql://ada:canary@db with canary-known")
    try:
        raise GeoingestError("password=canary") from cause  # noqa: TRY301  what is logged is an exception as it is caught
    except GeoingestError:
        told = line(
            formatter, "defect", exc_info=sys.exc_info(), fields={"error": ValueError("token=canary")}
        )
    assert "no answer from postgresql://***@db with ***" in str(told["stack"])
    assert told["error"] == "token=***"


def test_an_unknown_level_is_refused():
    with pytest.raises(SettingInvalidError):
        configure_logs({"GEOINGEST_LOG_LEVEL": "LOUD"})
