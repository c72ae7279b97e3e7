"""Loading the demo: three organizations, then their histories side by side."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from app.api.ids import ORGANIZATION, type_id
from app.demo.company import DAUGHTER, PARENT, SANDBOX, Company
from app.demo.history import tell_history
from app.demo.story import Story, opening_of
from app.operations.organization.bootstrap import Bootstrapped, bootstrap_organization
from app.store.tables.organization import Mode
from app.store.tenancy import Database

CONNECTIONS_MAX: Final = 4
"""How many database connections the load uses at once: the pool needs as many."""


@dataclass(frozen=True, slots=True)
class DemoOrganization:
    """An organization of the demo and its owner's key."""

    legal_name: str
    organization_id: str
    api_key: str


async def load_demo(
    database: Database,
    pepper: str,
    progress: Callable[[float], None],
    *,
    scale: float = 1.0,
    now: datetime | None = None,
) -> list[DemoOrganization]:
    """Make the demo organizations and all that is in them; `progress` is told the part that is done, 0 to 1.

    `scale` multiplies the number of customers; the story ends `now`, this moment if left out. Repeating it
    makes three more organizations.
    """
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    parent = await _found(database, PARENT, now, pepper)
    daughter = await _found(database, DAUGHTER, now, pepper, parent_id=parent.organization_id)
    sandbox = await _found(database, SANDBOX, now, pepper)
    made = [(PARENT, parent), (DAUGHTER, daughter), (SANDBOX, sandbox)]
    connections = asyncio.Semaphore(CONNECTIONS_MAX)
    stories = [
        Story(database, one.organization_id, company, now, scale=scale, connections=connections)
        for company, one in made
    ]
    await _tell(stories, progress)
    return [
        DemoOrganization(company.legal_name, type_id(ORGANIZATION, one.organization_id), one.api_key)
        for company, one in made
    ]


async def _found(
    database: Database, company: Company, now: datetime, pepper: str, parent_id: UUID | None = None
) -> Bootstrapped:
    opening = opening_of(company, now)
    return await bootstrap_organization(
        database,
        legal_name=company.legal_name,
        mode=company.mode,
        test_clock=opening if company.mode is Mode.TEST else None,
        pepper=pepper,
        parent_id=parent_id,
        currency=company.currency,
        time_zone=company.time_zone,
        at=opening,
    )


async def _tell(stories: list[Story], progress: Callable[[float], None]) -> None:
    """Tell the stories side by side: while one waits for the database, another goes on.

    Customers come all the time and usage is told in more detail at the end, so the work done grows as the square.
    """
    shares = dict.fromkeys(stories, 0.0)
    customers = sum(story.company.customers for story in stories)

    def told(story: Story, share: float) -> None:
        shares[story] = share
        progress(sum(share**2 * story.company.customers for story, share in shares.items()) / customers)

    try:
        async with asyncio.TaskGroup() as group:
            for story in stories:
                group.create_task(tell_history(story, lambda share, story=story: told(story, share)))
    except BaseExceptionGroup as failed:
        raise _first(failed) from failed


def _first(error: BaseException) -> BaseException:
    """What went wrong first, for a caller that knows nothing of groups."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
