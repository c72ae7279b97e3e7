"""How full the queue is, over all organizations: counts by kind and nothing else, as a login that may work it."""

from dataclasses import dataclass
from typing import Final

from app.store.connection import ConnectionPool

_DEPTH: Final = """
select entrypoint as kind,
       count(*) filter (where status = 'queued') as waiting,
       count(*) filter (where status = 'picked') as running,
       count(*) filter (where status = 'failed') as dead,
       coalesce(extract(epoch from now() - min(execute_after) filter (where status = 'queued')), 0)::bigint as oldest
from queue.pgqueuer group by entrypoint
"""


@dataclass(frozen=True, slots=True)
class KindDepth:
    """The jobs of a kind: those that wait, run, and failed for good; for how long the oldest has been due."""

    kind: str
    waiting: int
    running: int
    dead: int
    oldest_seconds: int


class QueueDepth:
    """Counts the jobs of the queue."""

    def __init__(self, pool: ConnectionPool) -> None:
        """`pool` logs in as the worker."""
        self._pool = pool

    async def by_kind(self) -> list[KindDepth]:
        """How many jobs there are of each kind. Raises Unavailable."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(_DEPTH)
        return [
            KindDepth(row["kind"], row["waiting"], row["running"], row["dead"], max(0, row["oldest"])) for row in rows
        ]
