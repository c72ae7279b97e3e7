"""usage.purge: {"retentionDays": n} lets go of the organization's events that are older than that and billed, and of
reservations that ended before that.
"""

from collections.abc import Mapping
from typing import Any, Final

from app.operations.reservation.purge import purge_reservations
from app.operations.usage.purge import purge_usage
from app.store.tenancy import TenantDatabase

BATCH: Final = 500


async def do_usage_purge(db: TenantDatabase, payload: Mapping[str, Any]) -> None:
    """Purge some after others, each time in a transaction of its own, until there are no more."""
    while await purge_usage(db, payload["retentionDays"], BATCH) == BATCH:
        pass
    while await purge_reservations(db, payload["retentionDays"], BATCH):
        pass
