"""The queue: jobs that are enqueued with the write that wants them, and done in the background.

Owns: the one way in (`enqueue`), taking jobs under a lease, the clock of what is done regularly, the dead letters.
Never: knows what a job does or when it is tried again; lets the app's own role read it.
Begin at: `enqueue`, then `consumer.py`, the one module that knows pgqueuer.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from app.domain.job import JobKind
from app.store.query import Query
from app.store.tenancy import WriteTransaction

_ENQUEUE: Final = Query(
    "select enqueue_job(:kind, :payload, :run_at, :once_key)",
    unfiltered_because="the function takes the organization from the transaction itself",
)


async def enqueue(
    tx: WriteTransaction,
    kind: JobKind,
    payload: Mapping[str, Any] | None = None,
    *,
    run_at: datetime | None = None,
    once_key: str | None = None,
) -> int | None:
    """Have a job done for the transaction's organization once it commits, at once or from `run_at` on; give its id.

    It is done at least once, so that what it does must bear repeating. A job of the same kind and `once_key` that still
    waits or runs makes a second one needless: then None. A rollback takes the job back.
    """
    return await tx.fetch_value(_ENQUEUE, kind=str(kind), payload=dict(payload or {}), run_at=run_at, once_key=once_key)
