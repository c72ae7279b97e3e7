"""Dead letters: jobs that will not be tried again by themselves, kept until an operator replays or drops them.

They are read and changed through the other door, as a login that may work the queue: they belong to no one tenant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.store.connection import ConnectionPool

_SELECT: Final = """
select j.id, j.entrypoint, j.headers, convert_from(j.payload, 'UTF8') as payload, j.created, j.updated, l.traceback
from queue.pgqueuer j
left join lateral (
  select traceback from queue.pgqueuer_log
  where job_id = j.id and status = 'failed' order by created desc, id desc limit 1
) as l on true
where j.status = 'failed' and ($1::bigint is null or j.id = $1)
order by j.updated desc, j.id desc limit $2
"""

_REPLAY: Final = """
with replayed as (
  update queue.pgqueuer
  set status = 'queued', execute_after = now(), updated = now(), attempts = 0, queue_manager_id = null,
      headers = headers - 'attempts'
  where id = $1 and status = 'failed' returning id, entrypoint, priority
), logged as (
  insert into queue.pgqueuer_log (job_id, status, entrypoint, priority)
  select id, 'queued', entrypoint, priority from replayed
)
select id from replayed
"""

_DROP: Final = """
with dropped as (
  delete from queue.pgqueuer where id = $1 and status = 'failed' returning id, entrypoint, priority
), logged as (
  insert into queue.pgqueuer_log (job_id, status, entrypoint, priority)
  select id, 'deleted', entrypoint, priority from dropped
)
select id from dropped
"""

_FORGET: Final = """
delete from queue.pgqueuer_log l
where l.created < now() - interval '30 days' and l.aggregated
  and not exists (select from queue.pgqueuer j where j.id = l.job_id)
"""

_FORGET_STATISTICS: Final = "delete from queue.pgqueuer_statistics where created < now() - interval '30 days'"


class AnotherWaits(Exception):
    """A job of the same kind and key waits already, so that this one cannot join it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that is not tried again, and why."""

    id: int
    kind: str
    organization_id: UUID | None
    payload: str
    attempts: int
    error: str
    traceback: str
    enqueued_at: datetime
    failed_at: datetime


class DeadLetters:
    """The dead letters of all organizations."""

    def __init__(self, pool: ConnectionPool) -> None:
        """`pool` logs in as the worker."""
        self._pool = pool

    async def newest(self, most: int) -> list[DeadLetter]:
        """The latest ones, the newest first."""
        async with self._pool.connection() as connection:
            return [_dead_letter(row) for row in await connection.fetch(_SELECT, None, most)]

    async def find(self, id_: int) -> DeadLetter | None:
        """The one with this id; None where there is none, or the job is none."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(_SELECT, id_, 1)
        return None if row is None else _dead_letter(row)

    async def replay(self, id_: int) -> bool:
        """Let it be tried again from the start; False where there is none. Raises AnotherWaits."""
        async with self._pool.connection() as connection:
            try:
                return await connection.fetchval(_REPLAY, id_) is not None
            except asyncpg.UniqueViolationError as error:
                raise AnotherWaits from error

    async def drop(self, id_: int) -> bool:
        """Take it out of the queue for good; False where there is none."""
        async with self._pool.connection() as connection:
            return await connection.fetchval(_DROP, id_) is not None

    async def forget_history(self) -> None:
        """Delete what pgqueuer noted of jobs that were over thirty days ago."""
        async with self._pool.connection() as connection:
            await connection.execute(_FORGET)
            await connection.execute(_FORGET_STATISTICS)


def _dead_letter(row: Mapping[str, Any]) -> DeadLetter:
    headers, failure = row["headers"] or {}, row["traceback"] or {}
    organization = headers.get("organization_id")
    return DeadLetter(
        id=row["id"],
        kind=row["entrypoint"],
        organization_id=None if organization is None else UUID(organization),
        payload=row["payload"] or "",
        attempts=headers.get("attempts", 0),
        error=f"{failure.get('exception_type', 'unknown')}: {failure.get('exception_message', '')}",
        traceback=failure.get("traceback", ""),
        enqueued_at=row["created"],
        failed_at=row["updated"],
    )
