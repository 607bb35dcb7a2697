"""What `geoingest dev` prints for people: a line a step, and with an error its problems and its remedy."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import pytest

from geoingest.cli.moves import Move, words
from geoingest.errors import Problem
from geoingest.errors.manifest import ManifestInvalidError
from geoingest.errors.run import RunCanceledError

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = "2f1a9a3e-0000-5000-8000-000000000000"


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        pytest.param(
            Move(change="load", run_id=RUN, dataset_id="roads", rows=1234567),
            "03:04:05  2f1a9a3e  roads                 load       1,234,567 rows",
            id="stage",
        ),
        pytest.param(
            Move(change="success", run_id=RUN, dataset_id="roads", rows=0, version=2, seconds=0.234),
            "03:04:05  2f1a9a3e  roads                 success    v2  0 rows  0.23 s",
            id="success",
        ),
        pytest.param(
            Move(
                change="failure", run_id=RUN, dataset_id="roads", error=RunCanceledError(run_id="x").as_dict()
            ),
            "03:04:05  2f1a9a3e  roads                 failure    RUN_CANCELED  run x was canceled\n"
            "          how to mend: ingest again if that was not meant",
            id="failure",
        ),
        pytest.param(
            Move(
                change="rejected",
                manifest="manifests/m.json",
                error=ManifestInvalidError([Problem(path="files[0].path", message="got 1")]).as_dict()
                | {"hint": ""},
            ),
            "03:04:05                                  rejected   manifests/m.json  MANIFEST_INVALID  the manifest"
            " has 1 problem\n          files[0].path: got 1",
            id="rejected",
        ),
    ],
)
def test_a_move_is_a_line_and_an_error_says_how_to_mend_it(move, expected):
    assert click.unstyle(words(move, now=AT)) == expected
