"""idempotency.purge: {} deletes the organization's idempotency keys that are kept no longer."""

from collections.abc import Mapping
from typing import Any, Final

from app.operations.idempotency.purge import purge_idempotency_records
from app.store.tenancy import TenantDatabase

BATCH: Final = 1_000


async def do_idempotency_purge(db: TenantDatabase, _payload: Mapping[str, Any]) -> None:
    """Delete batch after batch, each in a transaction of its own, until there are no more."""
    while await purge_idempotency_records(db, BATCH) == BATCH:
        pass
