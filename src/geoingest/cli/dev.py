"""`geoingest dev`: the chain as a platform runs it, on one machine.

Composes the functions as HTTP servers, a broker between them, and the operator's part: `rounds` owns the loop.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geoingest.cli.interruption import Interruption
from geoingest.cli.options import home_option

if TYPE_CHECKING:
    from geoingest.cli.moves import Teller
    from geoingest.events import Event
    from geoingest.runtime.broker import RetryPolicy
    from geoingest.runtime.delivery import Reply
    from geoingest.runtime.http_broker import DeadLetter, HttpBroker
    from geoingest.runtime.platform import Platform

log = logging.getLogger(__name__)

# A function that dies is missed only this long: nobody else's claims are at stake on one machine.
LEASE_S = "10"
# A Trigger's usual number; the pauses double from --backoff.
RETRIES = 5
# How long deliveries that go on at the end are waited for before their servers are ended.
GRACE_S = 5.0
POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command("dev", short_help="run the chain as function servers")
@home_option
@click.option(
    "--poll", "poll_s", type=POSITIVE, default=1.0, show_default=True, help="Seconds between two looks."
)
@click.option(
    "--backoff",
    "backoff_s",
    type=POSITIVE,
    default=0.5,
    show_default=True,
    help="Seconds before the first retry.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Deliveries that go on at once.",
)
@click.option("--once", is_flag=True, help="Exit when nothing is left to do.")
@click.option("--json", "as_json", is_flag=True, help="Print each change as one JSON object on a line.")
def command(
    *, home: str | None, poll_s: float, backoff_s: float, workers: int, once: bool, as_json: bool
) -> None:
    """Run the functions as HTTP servers, a broker, and a watch on HOME/landing-zone/manifests/.

    Every manifest that appears there becomes a run. Ends with Ctrl-C; what was going on is taken up again by the next
    `geoingest dev`. Exits 0 when all went well, 1 when a run failed, 2 when a manifest was refused.
    """
    from geoingest.cli.moves import Teller
    from geoingest.cli.output import refusals
    from geoingest.cli.rounds import Rounds
    from geoingest.cli.servers import Servers
    from geoingest.runtime.broker import RetryPolicy
    from geoingest.runtime.platform import open_platform
    from geoingest.settings import read_settings

    environment = {"GEOINGEST_LEASE_S": LEASE_S} | dict(os.environ)
    with refusals(as_json=as_json), Interruption() as interruption:
        settings = read_settings(environment, home=Path(home) if home else None)
        environment["GEOINGEST_HOME"] = str(settings.home)
        with open_platform(settings) as platform, Servers(environment, say=_say_log) as servers:
            teller = Teller(platform, as_json=as_json)
            policy = RetryPolicy(retries=RETRIES, backoff_s=backoff_s)
            broker = open_broker(platform, servers.addresses, teller, policy=policy, workers=workers)
            try:
                Rounds(platform, broker, servers, teller).go(interruption, poll_s=poll_s, once=once)
            except KeyboardInterrupt:
                click.echo("stopping: what goes on is taken up again by the next start", err=True)
            finally:
                broker.close(wait_s=GRACE_S)
    sys.exit(teller.exit_code)


def open_broker(
    platform: Platform, addresses: dict[str, str], teller: Teller, *, policy: RetryPolicy, workers: int
) -> HttpBroker:
    """The broker between the servers at `addresses` and the operator's part in this process."""
    from geoingest.errors import TransientError
    from geoingest.runtime.delivery import Reply
    from geoingest.runtime.http_broker import HttpBroker
    from geoingest_operator.finish import finish_run, take_dead_letter

    def operator(event: Event) -> Reply:
        try:
            finish_run(platform, event.data.run_id)
        except TransientError as error:
            log.warning("run %s is not cleaned up yet: %s", event.data.run_id, error)
            return Reply(status=503)
        return Reply(status=204)

    def dead_letter(letter: DeadLetter) -> None:
        log.warning(
            "dead letter: %s to %s, last answer %s %r",
            letter.event.type,
            letter.error_dest,
            letter.error_code,
            letter.error_data,
        )
        take_dead_letter(platform, letter.event, has_outbox=True)
        teller.tell_end(letter.event.runid)

    return HttpBroker(
        addresses,
        operator=operator,
        dead_letter=dead_letter,
        policy=policy,
        watch=teller.tell_delivery,
        workers=workers,
    )


def _say_log(line: str) -> None:
    click.echo(line, err=True)
