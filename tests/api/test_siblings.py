"""A field that fails takes its siblings with it, and hurts no other field; a snapshot that broke says so.

graphql-core answers fields at once and cancels the siblings of one that fails, also in the midst of a statement. That
the siblings' statement runs just then is seen to by a lock on the table that it reads, and by the order of the fields.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from starlette.applications import Starlette

from tests.api.test_hangup import Client, until
from tests.caller import Caller
from tests.operations.steps import meter, plan, soft_quota, subscription

SPAN = 'period: { start: "2026-01-01T00:00:00Z", end: "2026-02-01T00:00:00Z" }'
LATER = "later: subscription(id: $id) { plan { key features { key } } }"
LATER_IS = {"plan": {"key": "pro", "features": [{"key": "calls"}]}}
SLOW = f'slow: usage(meter: "calls", {SPAN}) {{ total }}'

BEFORE = f"""
  warm: usageEvents(filter: {{ meter: "calls" }}) {{ totalCount }}
  {LATER}
"""
SIBLINGS = f"""query($id: ID!) {{
  {BEFORE}
  failing: subscription(id: $id) {{ bad: usage(meter: "nope", {SPAN}) {{ total }} {SLOW} }}
}}"""
"""`slow` begins to read as `bad` learns that there is no such meter; the features of `later` are asked for after it."""


@pytest.fixture(params=["planner", "stock"])
def caller(owner: Caller, request: pytest.FixtureRequest) -> Caller:
    """Whom a plan answers first, and whom graphql-core alone does."""
    return owner if request.param == "planner" else owner.by_stock()[0]


@pytest.fixture
async def subscribed(owner: Caller) -> str:
    """The id of a subscription whose usage is metered."""
    await meter(owner)
    await plan(owner, "pro", 0, soft_quota("calls"))
    return await subscription(owner)


@asynccontextmanager
async def usage_locked(owner_url: str) -> AsyncIterator[None]:
    """Nobody reads what usage comes to until this ends."""
    blocker = await asyncpg.connect(owner_url)
    try:
        async with blocker.transaction():
            await blocker.execute("lock table usage_hours in access exclusive mode")
            yield
    finally:
        await blocker.close()


def codes(answer: dict[str, Any]) -> dict[str, str]:
    """The code of each error, by its path."""
    return {".".join(map(str, error["path"])): error["extensions"]["code"] for error in answer["errors"]}


async def test_a_cancelled_sibling_hurts_no_other(
    caller: Caller, subscribed: str, administrator: asyncpg.Connection, owner_url: str
) -> None:
    """Its statement goes on though nobody waits for it, and what is asked after it is answered of the same snapshot."""
    async with usage_locked(owner_url):
        asked = asyncio.create_task(caller.ask(SIBLINGS, id=subscribed))
        await until(administrator, 1)
        # A round trip later, what was cancelled would be gone, if anything were.
        await administrator.execute("select pg_sleep(0.1)")
        await until(administrator, 1)
    answer = await asked
    assert answer["data"] == {"warm": {"totalCount": 0}, "later": LATER_IS, "failing": None}
    assert codes(answer) == {"failing.bad": "BAD_USER_INPUT"}


async def test_a_statement_that_fails_breaks_the_snapshot_and_no_more(
    caller: Caller, subscribed: str, administrator: asyncpg.Connection, owner_url: str
) -> None:
    """PostgreSQL answers nothing after it: whoever asks later is told to try again, not that there is a bug."""
    document = f"query($id: ID!) {{ {BEFORE} failing: subscription(id: $id) {{ {SLOW} }} }}"
    async with usage_locked(owner_url):
        asked = asyncio.create_task(caller.ask(document, id=subscribed))
        while not asked.done():
            await administrator.execute(
                "select pg_cancel_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'"
                " and datname = current_database() and usename = 'tallygate_app'"
            )
            await asyncio.sleep(0.01)
    assert codes(await asked) == {"failing.slow": "OVERLOADED", "later.plan.features": "OVERLOADED"}
    assert (await caller.data(f"query($id: ID!) {{ {LATER} }}", id=subscribed))["later"] == LATER_IS


async def test_a_client_that_hangs_up_cancels_what_outlived_its_field(
    app: Starlette, owner: Caller, subscribed: str, administrator: asyncpg.Connection, owner_url: str
) -> None:
    """Nothing of a request runs on once nobody waits for any of it, and its connection is whole."""
    client = Client(owner, SIBLINGS, id=subscribed)
    async with usage_locked(owner_url):
        request = asyncio.create_task(app(client.scope, client.receive, client.send))
        await until(administrator, 1)
        client.gone.set()
        async with asyncio.timeout(5):
            await request
            await until(administrator, 0)
    found = await asyncio.gather(*(owner.data(f"query($id: ID!) {{ {LATER} }}", id=subscribed) for _ in range(20)))
    assert found == [{"later": LATER_IS}] * 20
