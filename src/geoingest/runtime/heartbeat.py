"""The heartbeat of a claim: renews the lease while a stage works, and notices when the claim is gone."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from geoingest.errors import TransientError
from geoingest.errors.run import ClaimLostError, RunCanceledError
from geoingest.model.run import RunStatus
from geoingest.stores.ledger.documents import Documents
from geoingest.stores.ledger.runs import Claim, get_run, renew_claim


class Heartbeat:
    """Keeps `claim` alive inside its `with` block by renewing it three times per lease."""

    def __init__(self, documents: Documents, claim: Claim, *, lease_s: float) -> None:
        self._documents = documents
        self._claim = claim
        self._lease_s = lease_s
        self._stopped = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def check(self) -> None:
        """Return while the claim is ours. Raises: RunCanceledError, ClaimLostError: it is not."""
        if not self._lost.is_set():
            return
        run = get_run(self._documents, self._claim.run.run_id)
        if run is not None and run.status is RunStatus.CANCELED:
            raise RunCanceledError(run_id=run.run_id)
        raise ClaimLostError(run_id=self._claim.run.run_id, stage=self._claim.stage)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stopped.wait(self._lease_s / 3):
            try:
                if not renew_claim(self._documents, self._claim, lease_s=self._lease_s):
                    self._lost.set()
                    return
            except TransientError:
                # The next beat tries again; two may fail before the lease runs out.
                continue
