"""The loop of `geoingest dev`: looks at the landing folder, the outbox, the servers, and what dead runs left.

What a manifest becomes and what a run waits for is the operator's to say. A round that meets trouble is told and done
again: nothing but an interruption ends the loop.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from geoingest.cli.interruption import Interruption
from geoingest.cli.moves import Move, Teller
from geoingest.cli.servers import Servers
from geoingest.errors import GeoingestError
from geoingest.model.run import RunStatus
from geoingest.runtime.http_broker import HttpBroker
from geoingest.runtime.liveness import known_locks
from geoingest.runtime.platform import Platform
from geoingest.stores.ledger.collections import RUNS
from geoingest_operator.bucket import PREFIX, Landing, Started, take_manifest
from geoingest_operator.janitor import sweep
from geoingest_operator.outbox import due_events

log = logging.getLogger(__name__)

JANITOR_EVERY_S = 60.0
# How soon an interruption is noticed.
TICK_S = 0.1


class Rounds:
    """The operator's part around one broker and its servers."""

    def __init__(self, platform: Platform, broker: HttpBroker, servers: Servers, teller: Teller) -> None:
        self._platform = platform
        self._broker = broker
        self._servers = servers
        self._teller = teller
        self._landing = Landing(platform)
        self._swept_at = float("-inf")

    def go(self, interruption: Interruption, *, poll_s: float, once: bool) -> None:
        """Go round until interrupted (KeyboardInterrupt) or, with `once`, until nothing is left to do."""
        folder = self._platform.settings.home / self._platform.settings.landing_bucket / PREFIX
        folder.mkdir(parents=True, exist_ok=True)
        self._teller.greet(folder, functions=self._servers.addresses, pids=self._servers.pids)
        # Before the first sweep: what an earlier process left unfinished is taken up, however long ago it was.
        self._send_again(silent_for=timedelta(0))
        while not (self._round() and once):
            until = time.monotonic() + poll_s
            while time.monotonic() < until:
                interruption.check()
                time.sleep(TICK_S)

    def _round(self) -> bool:
        """Whether nothing is left to do."""
        for name, code in self._servers.restart_dead().items():
            text = f"{name} had ended with {code} and was started again"
            self._teller.tell(Move(change="restarted", text=text, pids=self._servers.pids))
        self._take_manifests()
        self._send_again(silent_for=timedelta(seconds=self._platform.settings.lease_s))
        if time.monotonic() - self._swept_at > JANITOR_EVERY_S:
            self._sweep()
        with self._troubles_told("the ledger"):
            return self._landing.is_empty and self._broker.is_idle() and not self._has_running()
        return False

    def _take_manifests(self) -> None:
        with self._troubles_told("the landing bucket"):
            for item in self._landing.look():
                with self._troubles_told(item.key):
                    taken = take_manifest(self._platform, item)
                    if taken is not None:
                        self._teller.tell_taken(item.key, taken)
                    if isinstance(taken, Started) and taken.event is not None:
                        self._broker.publish(taken.event)

    def _send_again(self, *, silent_for: timedelta) -> None:
        with self._troubles_told("the outbox"):
            for event in due_events(self._platform, silent_for=silent_for):
                self._broker.publish(event)

    def _sweep(self) -> None:
        self._swept_at = time.monotonic()
        with self._troubles_told("the janitor"):
            for run_id in sweep(self._platform).ended:
                self._teller.tell_end(run_id)

    def _has_running(self) -> bool:
        running = self._platform.documents.find(RUNS.name, {"status": RunStatus.RUNNING})
        held = set(known_locks(self._platform.settings))
        return any(run["run_id"] not in held for run in running)

    @contextmanager
    def _troubles_told(self, where: str) -> Iterator[None]:
        try:
            yield
        except GeoingestError as error:
            self._teller.tell_trouble(error, where=where)
        except Exception as error:  # the boundary: the loop outlives a defect in one round
            log.exception("defect at %s", where)
            defect = GeoingestError(f"a defect of geoingest's own: {type(error).__name__}")
            self._teller.tell_trouble(defect, where=where)
