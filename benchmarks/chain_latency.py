"""How long from a manifest to its available asset, through warm function servers? One small file, run after run."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geoingest.cli.servers import Servers
from geoingest.events import DATASET_EXPORTED
from geoingest.runtime.broker import RetryPolicy
from geoingest.runtime.delivery import Reply
from geoingest.runtime.http_broker import HttpBroker
from geoingest.runtime.platform import Platform, open_platform
from geoingest.settings import read_settings
from geoingest.stores.ledger.runs import get_run
from geoingest_operator.bucket import Landing, Started, take_manifest
from geoingest_operator.finish import finish_run

EXAMPLE = Path(__file__).parents[1] / "examples" / "countries"
QUESTION = "one small file through the warm HTTP chain"
HEADER = ("runs", "p50", "p95", "worst", "take", "load", "transform", "export")
WARM_UPS = 3


class Arrivals:
    """When each run's last event reached the operator."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at: dict[str, float] = {}

    def note(self, run_id: str) -> None:
        with self._changed:
            self._at[run_id] = time.perf_counter()
            self._changed.notify_all()

    def wait_for(self, run_id: str) -> float:
        with self._changed:
            if not self._changed.wait_for(lambda: run_id in self._at, timeout=60):
                sys.exit(f"run {run_id} did not end")
            return self._at[run_id]


def measure(options: argparse.Namespace) -> tuple[str, ...]:
    """One row of the table under `HEADER`: the stages as the functions clock them, medians."""
    with tempfile.TemporaryDirectory() as folder, chain(Path(folder)) as (platform, broker, arrivals):
        runs = [time_one(platform, broker, arrivals, n) for n in range(WARM_UPS + options.runs)][WARM_UPS:]
    totals, *parts = zip(*runs, strict=True)
    points = statistics.quantiles(totals, n=100, method="inclusive")
    figures = (points[49], points[94], max(totals), *map(statistics.median, parts))
    return (f"{options.runs}", *(f"{seconds * 1000:,.0f} ms" for seconds in figures))


@contextmanager
def chain(home: Path) -> Iterator[tuple[Platform, HttpBroker, Arrivals]]:
    """What `geoingest dev` composes, without its looking every second."""
    arrivals = Arrivals()
    environment = dict(os.environ) | {"GEOINGEST_HOME": str(home)}
    source = home / "landing-zone" / "countries"
    source.mkdir(parents=True)
    (source / "countries.geojson").write_bytes((EXAMPLE / "countries.geojson").read_bytes())
    say = lambda line: print(line, file=sys.stderr)  # noqa: E731
    with open_platform(read_settings({}, home=home)) as platform, Servers(environment, say=say) as servers:

        def operator(event):
            if event.type == DATASET_EXPORTED:
                arrivals.note(event.runid)
            finish_run(platform, event.runid)
            return Reply(status=204)

        broker = HttpBroker(
            servers.addresses,
            operator=operator,
            dead_letter=lambda letter: print(letter, file=sys.stderr),
            policy=RetryPolicy(retries=5, backoff_s=0.5),
            watch=lambda *_: None,
        )
        yield platform, broker, arrivals
        broker.close(wait_s=5)


def time_one(platform: Platform, broker: HttpBroker, arrivals: Arrivals, number: int) -> tuple[float, ...]:
    """Seconds: in all, to take the manifest, and in each stage."""
    manifest = json.loads((EXAMPLE / "manifest.json").read_text()) | {"batch_id": f"b{number}"}
    path = platform.settings.home / "landing-zone" / "manifests" / f"{number}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(manifest))
    landing = Landing(platform)
    landing.look()
    started = time.perf_counter()
    [item] = landing.look()
    taken = take_manifest(platform, item)
    if not isinstance(taken, Started) or taken.event is None:
        sys.exit(f"the manifest was not taken: {taken}")
    broker.publish(taken.event)
    took = time.perf_counter() - started
    seconds = arrivals.wait_for(taken.run.run_id) - started
    while not broker.is_idle():
        time.sleep(0.001)
    run = get_run(platform.documents, taken.run.run_id)
    return (seconds, took, *(state.seconds for state in run.stages.values()))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--runs", type=int, default=50, help="runs of the chain (default %(default)s)")
