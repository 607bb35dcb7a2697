"""The activity log: each act is written once, however often its handler runs."""

from __future__ import annotations

import uuid
from typing import Any

from geoingest.model.records import Activity
from geoingest.stores.ledger.clock import ledger_now
from geoingest.stores.ledger.collections import ACTIVITY
from geoingest.stores.ledger.documents import Documents

# A fixed namespace makes the id a function of what it says.
NAMESPACE = uuid.UUID("6c0f5f2b-6f43-4d54-9f0e-5b6f0b1d5a10")


def record_activity(
    documents: Documents,
    *,
    user: str,
    action: str,
    resource: tuple[str, str],
    details: dict[str, Any] | None = None,
) -> bool:
    """True when the act was written now; False when it was there. `resource` is (type, id)."""
    resource_type, resource_id = resource
    activity = Activity(
        activity_id=str(uuid.uuid5(NAMESPACE, f"{action}/{resource_type}/{resource_id}")),
        timestamp=ledger_now(),
        user=user,
        action=action,
        resource_type=resource_type,
        resource_id=resource_id,
        details=details or {},
    )
    return documents.insert_new(ACTIVITY.name, activity.model_dump())
