"""One function as an HTTP server process: `python -m geoingest.cli.function STAGE SOCKET`.

The app is the one of `functions/*/main.py`, here from the installed package. SOCKET is the descriptor of a listening
socket that the parent made and keeps: while a dead server is started again, callers wait in its queue. The process ends
when its standard input does, and so never outlives its parent.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings

import click

from geoingest.cli.__main__ import Without
from geoingest.cli.local import STAGES
from geoingest.runtime.http import serve_stage
from geoingest.settings import INSTALLED_LANES


def serve(name: str, descriptor: int) -> None:
    """Serve the stage until standard input ends."""
    from flask import Flask, request
    from werkzeug.serving import WSGIRequestHandler, make_server

    stage = STAGES[name]
    handle = serve_stage(stage)
    app = Flask(name)
    app.add_url_rule("/", view_func=lambda: handle(request), methods=["GET", "POST"], endpoint=name)

    class QuietHandler(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing: the broker tells what was delivered."""

    # A warm server: the first event does not wait for the lanes' libraries.
    for lane in INSTALLED_LANES:
        stage.lane_function(lane)
    # No port: an inherited socket has one.
    server = make_server("127.0.0.1", 0, app, threaded=True, fd=descriptor, request_handler=QuietHandler)
    threading.Thread(target=_follow_parent, daemon=True).start()
    server.serve_forever()


def _follow_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    # At once, whatever stage goes on: its lease runs out, and the run is taken up again.
    os._exit(0)


@click.command()
@click.argument("name", type=click.Choice(list(STAGES)), metavar="STAGE")
@click.argument("descriptor", type=int, metavar="SOCKET")
def command(*, name: str, descriptor: int) -> None:
    """Serve STAGE on the listening socket with this descriptor."""
    logging.basicConfig(level=os.environ.get("GEOINGEST_LOG", "WARNING").upper(), stream=sys.stderr)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # What a library deprecates is no news to who watches runs.
    warnings.simplefilter("ignore", DeprecationWarning)
    serve(name, descriptor)


if __name__ == "__main__":
    sys.meta_path.insert(0, Without("pandas", "geopandas"))
    command()
