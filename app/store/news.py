"""What processes tell each other of what they keep in memory: that it changed, never what it is now.

What is granted changes seldom: that is said in the transaction that changes it, so that nobody who sees the change
misses the news. What is used changes all the time, and a commit that notifies waits for every other that does, in all
organizations: so the process that recorded usage says it once that is committed, for many at once.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.store.notification import Listener, Unheard, notify
from app.store.tenancy import WriteTransaction
from app.store.tenant import Matter, News

CHANNELS: Final = {matter: f"tallygate_{matter}" for matter in Matter}

EVERYBODY: Final = "*"
IDS_MAX: Final = 200
"""In one notification, which is at most 8,000 bytes long."""

CUSTOMERS_MAX: Final = 2_000
"""Of one organization that are told apart; where more changed at once, all did."""

Heard = Callable[[News], None]


ANYTHING: Final = "* *"
"""What a process says as it starts: one before it may have died between a commit and its news."""


def payload_of(organization_id: UUID, customer_ids: Iterable[UUID | None]) -> str:
    """News of one matter and organization, as they are said on its channel."""
    return " ".join([organization_id.hex, *(EVERYBODY if each is None else each.hex for each in customer_ids)])


def news_from(matter: Matter, payload: str) -> list[News]:
    """The news that were said; none where it is no such payload, for any login of the database may say anything."""
    if payload == ANYTHING:
        return [News(None, matter, None)]
    try:
        organization_id, *customer_ids = payload.split(" ")
        return [News(UUID(organization_id), matter, None if each == EVERYBODY else UUID(each)) for each in customer_ids]
    except ValueError:
        return []


async def tell_terms(tx: WriteTransaction, customer_id: UUID | None) -> None:
    """Have every process forget what a customer is granted, or all customers of the organization, with the commit."""
    await _tell(tx, Matter.TERMS, customer_id)


async def tell_catalog(tx: WriteTransaction) -> None:
    """Have every process forget what the organization's features are called, with the commit."""
    await _tell(tx, Matter.CATALOG, None)


async def _tell(tx: WriteTransaction, matter: Matter, customer_id: UUID | None) -> None:
    await notify(tx, CHANNELS[matter], payload_of(tx.organization_id, [customer_id]))
    if tx.news is not None:
        tx.news.add(News(tx.organization_id, matter, customer_id))


async def tell_usage(tx: WriteTransaction, customer_ids: Iterable[UUID | None]) -> None:
    """Have every process read anew what those customers have used and hold; all of the organization's where None.

    A process that serves says it after the commit; one that has nobody to carry it on says it with the commit.
    """
    if tx.news is not None:
        tx.news.update(News(tx.organization_id, Matter.USAGE, each) for each in customer_ids)
        return
    for payload in _payloads(tx.organization_id, set(customer_ids)):
        await notify(tx, CHANNELS[Matter.USAGE], payload)


def _payloads(organization_id: UUID, customer_ids: set[UUID | None]) -> list[str]:
    if None in customer_ids:
        return [payload_of(organization_id, [None])]
    ids = sorted(customer_ids, key=str)
    return [payload_of(organization_id, ids[first : first + IDS_MAX]) for first in range(0, len(ids), IDS_MAX)]


class Herald:
    """Carries news on once they are committed: at once to this process, and those of usage shortly to all others.

    Give `committed` to the `Database`, and serve inside `carrying`.
    """

    def __init__(self, listener: Listener, heard: Heard, pause: timedelta = timedelta(milliseconds=20)) -> None:
        """`pause` is how long news of usage are gathered before they are said."""
        self._listener = listener
        self._heard = heard
        self._pause = pause
        self._waiting: dict[UUID, set[UUID | None]] = {}
        self._some = asyncio.Event()
        self._has_begun = False

    def committed(self, news: frozenset[News]) -> None:
        """Tell this process now; keep for the others what was not said with the commit."""
        for each in news:
            self._heard(each)
            if each.matter is Matter.USAGE and each.organization_id is not None:
                customers = self._waiting.setdefault(each.organization_id, set())
                customers.add(each.customer_id)
                if len(customers) > CUSTOMERS_MAX:
                    self._waiting[each.organization_id] = {None}
                self._some.set()

    @asynccontextmanager
    async def carrying(self) -> AsyncGenerator[None]:
        """Say what waits, again and again, meanwhile; and what still waits in the end.

        First of all it has everybody read anew what is used: the process before this one may have been killed.
        """
        self._some.set()
        task = asyncio.create_task(self._carry())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            with contextlib.suppress(Unheard):
                await self._say()

    async def _carry(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(self._pause.total_seconds())
            # What nobody heard is kept, and said once there is a connection.
            with contextlib.suppress(Unheard):
                await self._say()

    async def _say(self) -> None:
        self._some.clear()
        waiting, self._waiting = self._waiting, {}
        payloads = [payload for key, customers in waiting.items() for payload in _payloads(key, customers)]
        payloads += [] if self._has_begun else [ANYTHING]
        if not payloads:
            return
        try:
            await self._listener.say(CHANNELS[Matter.USAGE], payloads)
            self._has_begun = True
        except BaseException:
            for organization_id, customers in waiting.items():
                self._waiting.setdefault(organization_id, set()).update(customers)
            self._some.set()
            raise
