"""A laptop's run loads nothing of the platform's stores: neither their time nor their packages are needed."""

from __future__ import annotations

import json
import subprocess
import sys

from e2e.command import environment

PLATFORM_ONLY = ("boto3", "botocore", "pymongo", "bson", "functions_framework", "flask")
SCRIPT = """
import json, sys
from geoingest.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(json.dumps({"code": end.code, "loaded": sorted(sys.modules)}))
"""


def test_a_local_run_loads_no_library_of_the_platform(tmp_path):
    source = tmp_path / "a.geojson"
    point = {"type": "Point", "coordinates": [8, 47]}
    feature = {"type": "Feature", "properties": {}, "geometry": point}
    source.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    command = [sys.executable, "-c", SCRIPT, "run", str(source), "--home", str(tmp_path / "home"), "--json"]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment())
    ended = json.loads(done.stdout.splitlines()[-1])
    assert (ended["code"], "pyarrow" in ended["loaded"]) == (0, True)
    assert [name for name in PLATFORM_ONLY if name in ended["loaded"]] == []
