from __future__ import annotations

import subprocess
import sys

from e2e.command import environment

# A new process: the instruments are made once in each.
SCRIPT = """
import sys, threading
sys.setswitchinterval(1e-6)
from geoingest.runtime.delivery import Reply
from geoingest.runtime.metrics import record_delivery
ready, failed = threading.Barrier(8), []
def deliver():
    ready.wait()
    try:
        record_delivery("load", Reply(status=409, outcome="busy"), seconds=0.1)
    except Exception as error:
        failed.append(error)
threads = [threading.Thread(target=deliver) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.exit(f"{failed}" if failed else 0)
"""


def test_first_deliveries_at_once_share_the_same_metrics():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, env=environment()
    )
    assert (done.returncode, done.stderr) == (0, "")
