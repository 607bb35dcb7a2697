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

    @pytest.mark.parametrize("number", range(ROUNDS))
def test_events_doubled_late_and_out_of_order_between_kills_end_a_run_once(
    number, world, tmp_path
):
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


def test_runs_of_one_dataset_killed_at_their_commit_get_versions_of_their_own(
    world, tmp_path
):
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
