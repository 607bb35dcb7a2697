"""Many ingests at once through function servers, deliveries doubled and lost on the way: every one ends, once.

`GEOINGEST_MANY=1000` ingests that many times into a tenth as many datasets, instead of 200.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from contract.dev import asking, drop
from e2e.command import environment
from e2e.home import assert_at_rest, documents
from geoingest.cli.servers import Servers
from geoingest.runtime.broker import RetryPolicy
from geoingest.runtime.delivery import Reply
from geoingest.runtime.http_broker import HttpBroker, post_http
from geoingest.runtime.platform import open_platform
from geoingest.settings import read_settings
from geoingest_operator.bucket import Landing, Started, take_manifest
from geoingest_operator.finish import finish_run, take_dead_letter
from geoingest_operator.outbox import due_events
from sources import write_sample

RUNS = int(os.environ.get("GEOINGEST_MANY", "200"))
DATASETS = RUNS // 10
PATIENCE_S = 300
LEASE_S = 5.0
# Up to which draw out of 1 what happens to a delivery.
ODDS = ((0.05, "doubled"), (0.075, "lost"), (0.1, "answer lost"))


class Weather:
    """Posts as a network does: one delivery in twenty arrives twice at once, one in twenty fails on its way or back."""

    def __init__(self, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311  weather, no secret
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(4)

    def post(self, url, headers, body):
        with self._lock:
            drawn = self._random.random()
            happens = next((name for limit, name in ODDS if drawn < limit), "fine")
            self.counts[happens] += 1
        if happens == "lost":
            raise ConnectionResetError
        other = self._pool.submit(post_http, url, headers, body) if happens == "doubled" else None
        answer = post_http(url, headers, body)
        if other is not None:
            other.result()
        if happens == "answer lost":
            raise TimeoutError
        return answer


def ingest_all(platform, broker) -> int:
    """Take every manifest as `geoingest dev` does; how many runs were begun."""
    landing = Landing(platform)
    landing.look()
    taken = [take_manifest(platform, item) for item in landing.look()]
    for each in taken:
        assert isinstance(each, Started)
        assert broker.publish(each.event)
    return len(taken)


def wait_for_end(platform, broker) -> None:
    until = time.monotonic() + PATIENCE_S
    while not broker.is_idle() or platform.documents.find("runs", {"status": "running"}, limit=1):
        assert time.monotonic() < until
        time.sleep(0.2)
        for event in due_events(platform, silent_for=timedelta(seconds=LEASE_S)):
            broker.publish(event)


def test_many_ingests_at_once_in_bad_weather_all_succeed_and_number_their_versions_without_gaps(
    tmp_path, capsys
):
    home = tmp_path / "home"
    (home / "landing-zone" / "in").mkdir(parents=True)
    write_sample("gpkg", home / "landing-zone" / "in")
    for number in range(RUNS):
        drop(home, f"{number}.json", asking(f"set-{number % DATASETS}", "in/places.gpkg"))
    weather, dead = Weather(seed=7), []
    servers_environment = environment(
        GEOINGEST_HOME=str(home), PYTHONWARNINGS="default", GEOINGEST_LEASE_S=f"{LEASE_S:g}"
    )
    with (
        open_platform(read_settings({}, home=home)) as platform,
        Servers(servers_environment, say=print) as servers,
    ):

        def dead_letter(letter):
            dead.append(letter)
            take_dead_letter(platform, letter.event, has_outbox=True)

        def finish(event):
            finish_run(platform, event.data.run_id)
            return Reply(status=204)

        broker = HttpBroker(
            servers.addresses,
            operator=finish,
            dead_letter=dead_letter,
            policy=RetryPolicy(retries=5, backoff_s=0.1),
            watch=lambda *_: None,
            post=weather.post,
            workers=8,
        )
        started = time.monotonic()
        assert ingest_all(platform, broker) == RUNS
        taken_s = time.monotonic() - started
        wait_for_end(platform, broker)
        seconds = time.monotonic() - started
        broker.close(wait_s=5)
    with capsys.disabled():
        print(  # noqa: T201  the numbers are what the test is looked at for
            f"\n{RUNS} runs of {DATASETS} datasets: {seconds:.1f} s ({RUNS / seconds:.1f}/s, manifests taken in"
            f" {taken_s:.1f} s), deliveries {dict(weather.counts)}, dead letters {len(dead)}"
        )
    runs, assets = documents(home, "runs"), documents(home, "assets")
    assert [run["error"] for run in runs if run["status"] != "success"] == []
    assert len(runs) == RUNS
    versions = {
        name: sorted(asset["version"] for asset in assets if asset["dataset_id"] == name)
        for name in {asset["dataset_id"] for asset in assets}
    }
    assert versions == {f"set-{n}": list(range(1, RUNS // DATASETS + 1)) for n in range(DATASETS)}
    assert {name for _, name in ODDS} < weather.counts.keys()
    states = [state for run in runs for state in run["stages"].values()]
    assert [state["last_error"] for state in states if state["claims"] != 1] == []
    assert_at_rest(home)
