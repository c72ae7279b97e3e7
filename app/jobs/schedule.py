"""What is enqueued when. One of all workers does it; each organization is a transaction of its own."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import structlog

from app.operations.billing.schedule import schedule_billing
from app.operations.idempotency.schedule_purge import schedule_idempotency_purge
from app.operations.reservation.schedule_expiry import schedule_expiry
from app.operations.usage.schedule_purge import schedule_usage_purge
from app.store.queue.dead_letter import DeadLetters
from app.store.queue.job import Routine
from app.store.system import SystemDatabase
from app.store.tables.organization import Mode
from app.store.tenancy import Actor, Database, TenantDatabase

log = structlog.get_logger(__name__)

EVERY_MINUTE: Final = "* * * * *"
EVERY_HOUR: Final = "41 * * * *"
EVERY_NIGHT: Final = "17 3 * * *"
PAGE: Final = 500

Pages = Callable[[UUID | None, int], Awaitable[list[UUID]]]
"""Gives a page of organizations in the order of their ids, after the one named."""


class Schedule:
    """The routines of a worker."""

    def __init__(
        self, database: Database, system: SystemDatabase, dead_letters: DeadLetters, usage_retention_days: int
    ) -> None:
        self._database = database
        self._system = system
        self._dead_letters = dead_letters
        self._usage_retention_days = usage_retention_days

    def routines(self) -> list[Routine]:
        """What the queue calls at which times."""
        return [
            Routine("billing.schedule", EVERY_MINUTE, self.bill_who_is_due),
            Routine("reservation.schedule", EVERY_HOUR, self.expire_holds),
            Routine("purge.schedule", EVERY_NIGHT, self.purge),
        ]

    async def bill_who_is_due(self) -> None:
        """Enqueue `billing.run` in every active LIVE organization whose time has come."""
        await self._in_each(self._system.due_for_billing, "billing.schedule", schedule_billing)

    async def expire_holds(self) -> None:
        """Enqueue `reservation.expire` in every active organization."""
        await self._in_each(self._active, "reservation.schedule", schedule_expiry)

    async def purge(self) -> None:
        """Enqueue what purges keys and usage in every active organization, and forget what was done long ago."""
        await self._in_each(self._active, "purge.schedule", self._schedule_purges)
        await self._dead_letters.forget_history()

    async def _schedule_purges(self, db: TenantDatabase) -> None:
        await schedule_idempotency_purge(db)
        await schedule_usage_purge(db, self._usage_retention_days)

    async def _active(self, following: UUID | None, most: int) -> list[UUID]:
        return await self._system.active_organizations(list(Mode), following, most)

    async def _in_each(self, pages: Pages, name: str, do: Callable[[TenantDatabase], Awaitable[Any]]) -> None:
        """Do it in each organization. An error in one does not keep the others from theirs."""
        async for organization_id in _all_of(pages):
            actor = Actor("SYSTEM", "tallygate worker", name)
            try:
                await do(self._database.tenant(organization_id, actor))
            except Exception:
                log.exception("routine.failed", kind=name, organization_id=str(organization_id))


async def _all_of(pages: Pages) -> AsyncGenerator[UUID]:
    page = await pages(None, PAGE)
    while page:
        for organization_id in page:
            yield organization_id
        page = await pages(page[-1], PAGE) if len(page) == PAGE else []
