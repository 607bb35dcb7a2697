"""Killed anywhere, told twice, late or in disorder: a run still ends once, as one version whose bytes are recorded.

Every marked point of every stage is a scenario, made from the table of points. `GEOINGEST_FAULT_ROUNDS=200` adds
so many random ones (killed twice in a row, events doubled and disordered) instead of 2, drawn from a fixed seed.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from contract.function_server import STAGES, Answer, Message, Server, forwarded, message_of, served
from contract.installations import Installation, LocalInstallation, opened
from geoingest.cli import local
from geoingest.cli.sources import DataOptions, identified, ingest_of_files
from geoingest.events import Event, next_event
from geoingest.model.run import Run
from geoingest.runtime.faults import POINTS
from geoingest.runtime.platform import Platform
from geoingest.stores.ledger.runs import register_run
from geoingest_operator.finish import finish_run

ROUNDS = int(os.environ.get("GEOINGEST_FAULT_ROUNDS", "2"))
# Short, so that a killed stage is soon free; a working holder renews it every third of it.
LEASE_S = "0.9"
# The sources of each run: points that a stage reaches once per source are also met the second time.
SOURCES = 2
PER_SOURCE = ("fetch", "part")

FAULTS = [f"{stage}.{point}" for stage, points in POINTS.items() for point in points]
FAULTS += [f"{fault}:{SOURCES}" for fault in FAULTS if fault.split(".")[1] in PER_SOURCE]
ran: Counter[str] = Counter()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An installation, its functions' servers and their settings, and the sources of every run."""

    installation: Installation
    platform: Platform
    servers: dict[str, Server]
    variables: dict[str, str]
    sources: tuple[str, ...]

    def plan(self, dataset_id: str) -> tuple[Run, Event]:
        """A registered run and its first event."""
        ingest = ingest_of_files(self.platform, self.sources, DataOptions(dataset_id=dataset_id))
        planned = local.plan_ingest(self.platform, identified(ingest, name="faults"))
        register_run(
            self.platform.documents, run=planned.run, manifest=planned.manifest, dataset=planned.dataset
        )
        return planned.run, planned.event

    def die_at(self, fault: str, message: Message, log: Path) -> None:
        """Deliver to a process that dies at `fault`, and see that it did, there and without an answer."""
        armed = {**self.variables, "GEOINGEST_FAULT": fault, "GEOINGEST_FAULTS": "allowed"}
        with served(fault.partition(".")[0], log, armed) as server:
            with pytest.raises((RemoteDisconnected, ConnectionError)):
                server.deliver(message)
            server.kill()
        assert f"fault {fault.partition(':')[0]}" in log.read_text().splitlines()

    def disorder(self, draw: random.Random, messages: dict[str, Message]) -> list[tuple[str, Answer]]:
        """Every event to its stage one to three times, two at once, in any order, until each was taken."""
        sent = [one for one in messages.items() for _ in range(draw.randint(1, 3))]
        draw.shuffle(sent)
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda one: (one[0], self.servers[one[0]].deliver(one[1])), sent))

    def state(self) -> tuple[object, ...]:
        found = self.installation
        return found.documents("runs"), found.documents("assets"), found.lake()


@pytest.fixture(scope="module", params=[LocalInstallation], ids=["local"])
def world(request, tmp_path_factory):
    installation = request.param(tmp_path_factory.mktemp("home"))
    variables = {**installation.variables(), "GEOINGEST_LEASE_S": LEASE_S}
    logs = tmp_path_factory.mktemp("logs")
    with opened(installation) as platform, ExitStack() as stack:
        servers = {name: stack.enter_context(served(name, logs / name, variables)) for name in STAGES}
        yield World(
            installation=installation,
            platform=platform,
            servers=servers,
            variables=variables,
            sources=write_sources(tmp_path_factory.mktemp("in")),
        )


@pytest.fixture(scope="module", autouse=True)
def _told():
    yield
    print(f"\n{ran.total()} fault scenarios:", dict(ran))  # noqa: T201  what the suite came to


def write_sources(folder: Path) -> tuple[str, ...]:
    """Two files; one holds a polygon that crosses itself, so that export has originals to keep."""
    rings = {
        "square": [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]],
        "bow-tie": [[2, 0], [3, 1], [3, 0], [2, 1], [2, 0]],
    }
    return tuple(
        write_polygon(folder / f"{name}.geojson", name=name, ring=ring) for name, ring in rings.items()
    )


def write_polygon(path: Path, *, name: str, ring: list[list[int]]) -> str:
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": {"name": name}, "geometry": geometry}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return str(path)


def assert_ended_once(world, run, *, version=1):
    """One terminal status, one version with its bytes, its lineage and its activity; nothing else of the run."""
    assert finish_run(world.platform, run.run_id)
    installation = world.installation
    [found] = [found for found in installation.documents("runs") if found["run_id"] == run.run_id]
    assert (found["status"], found["error"]) == ("success", None)
    for stage in found["stages"].values():
        assert (stage["status"], stage["expires_at"], stage["reply"] is not None) == ("done", None, True)
    [asset] = [asset for asset in installation.documents("assets") if asset["run_id"] == run.run_id]
    assert (asset["status"], asset["version"], asset["row_count"]) == ("available", version, SOURCES)
    folder = asset["s3_key"].rpartition("/")[0]
    objects = {key: value for key, value in installation.lake().items() if key.rpartition("/")[0] == folder}
    named = (asset, asset["repaired"])
    assert objects == {item["s3_key"]: item["content_hash"] for item in named}
    edges = [edge for edge in installation.documents("lineage") if edge["run_id"] == run.run_id]
    assert [edge["target_asset_id"] for edge in edges] == [asset["asset_id"]]
    entries = installation.documents("activity_logs")
    actions = Counter(entry["action"] for entry in entries if entry["resource_id"] == run.run_id)
    assert actions == {"run_started": 1, "run_success": 1}
    assert not [name for name in installation.transient() if run.run_id in name]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_function_killed_at_this_point_is_made_good_by_the_next_delivery(fault, world, tmp_path):
    run, event = world.plan(f"killed-{fault.replace(':', '-')}")
    message = message_of(event)
    for stage in STAGES:
        if fault.startswith(f"{stage}."):
            world.die_at(fault, message, tmp_path / "log")
        answer = world.servers[stage].deliver(message)
        assert answer.status == 200, answer
        message = forwarded(answer)
    assert_ended_once(world, run)
    ran["killed once"] += 1


def test_every_mark_in_a_stage_is_in_the_table_and_the_other_way_round():
    """The delivery's own marks carry the stage's name; the test above reaches each of them."""
    functions = Path(__file__).parents[2] / "functions"
    marks = {
        mark.partition('"')[0]
        for path in functions.rglob("*.py")
        for mark in path.read_text().split('reached("')[1:]
    }
    assert marks == {
        f"{stage}.{point}"
        for stage, points in POINTS.items()
        for point in points
        if not point.startswith(("claim.", "reply."))
    }


@pytest.mark.parametrize("number", range(ROUNDS))
def test_events_doubled_late_and_out_of_order_between_kills_end_a_run_once(number, world, tmp_path):
    draw = random.Random(f"faults-{number}")  # noqa: S311  moments, not secrets
    run, event = world.plan(f"disordered-{number}")
    # What each stage takes, made ahead of its time as well: the ids of a run's events are known from the start.
    ahead = {}
    for stage in STAGES:
        ahead[stage] = event
        event = next_event(event, time=datetime.now(UTC))
    for stage in draw.sample(STAGES[1:], 2):
        assert world.servers[stage].post(*message_of(ahead[stage])).status == 204
    messages = {}
    message = message_of(ahead["load"])
    for stage in STAGES:
        messages[stage] = message
        for kill in range(draw.randint(0, 2)):
            fault = f"{stage}.{draw.choice(POINTS[stage][:-1])}"
            world.die_at(fault, message, tmp_path / f"{stage}-{kill}")
            if draw.random() < 0.5:
                break
        answers = world.disorder(draw, messages)
        replies = {taken: {a.body for to, a in answers if to == taken} for taken in messages}
        assert {answer.status for _, answer in answers} == {200}
        assert {len(bodies) for bodies in replies.values()} == {1}
        message = forwarded(next(answer for to, answer in answers if to == stage))
    assert_ended_once(world, run)
    before = world.state()
    assert {answer.status for _, answer in world.disorder(draw, messages)} == {200}
    assert world.state() == before
    assert_ended_once(world, run)
    ran["killed and disordered"] += 1


def test_runs_of_one_dataset_killed_at_their_commit_get_versions_of_their_own(world, tmp_path):
    runs = [world.plan("shared") for _ in range(3)]
    messages = []
    for _, event in runs:
        message = message_of(event)
        for stage in STAGES[:2]:
            message = forwarded(world.servers[stage].deliver(message))
        messages.append(message)
    for number, message in enumerate(messages):
        world.die_at("export.commit.after", message, tmp_path / str(number))
    with ThreadPoolExecutor(len(messages)) as pool:
        answers = list(pool.map(world.servers["export"].deliver, reversed(messages)))
    assert {answer.status for answer in answers} == {200}
    for version, (run, _) in enumerate(runs, start=1):
        # The order in which they claimed, which was before they were killed.
        assert_ended_once(world, run, version=version)
    ran["one dataset"] += 1
