"""An organization's points: one bucket for all processes, leased in blocks, refilled by the database's clock."""

import re
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from app.api.allowance import BLOCKS, Allowance
from app.api.errors import RateLimited
from app.main import application
from app.settings import Settings
from app.store.allowance import Bucket
from app.store.tenancy import Database
from tests.caller import Caller

SIZE = 1_000
SLOWLY = Bucket(SIZE, 1)
"""What comes back while a test runs is a few points at most."""

A_FEW = 60


async def spent(allowance: Allowance, caller: Caller, points: int, most: int = 10_000) -> int:
    """How much can be spent, so many points at a time, until it is refused."""
    total = 0
    while total < most:
        try:
            await allowance.spend(caller.database.organization_id, points)
        except RateLimited:
            return total
        total += points
    return total


async def test_processes_share_one_bucket(database: Database, owner: Caller) -> None:
    """Two that spend in turn get no more together than one would."""
    one, other = Allowance(database, SLOWLY), Allowance(database, SLOWLY)
    total = 0
    while gained := await spent(one, owner, 10, most=10) + await spent(other, owner, 10, most=10):
        total += gained
    assert SIZE - 20 <= total <= SIZE + A_FEW


async def test_a_process_that_dies_costs_one_block_at_most(database: Database, owner: Caller) -> None:
    """What it leased is gone with it, and nothing else; the bucket itself is never overdrawn."""
    block = SIZE // BLOCKS
    await spent(Allowance(database, SLOWLY), owner, 1, most=1)
    rest = await spent(Allowance(database, SLOWLY), owner, 10)
    assert SIZE - 2 * block <= rest <= SIZE - block + A_FEW


async def test_most_requests_ask_nothing_of_the_database(
    database: Database, owner: Caller, administrator: asyncpg.Connection
) -> None:
    """Within a block the shared row is left alone."""
    allowance = Allowance(database, SLOWLY)
    organization_id = owner.database.organization_id
    row = "select xmin::text, points from allowances where organization_id = $1"
    await allowance.spend(organization_id, 1)
    first = await administrator.fetchrow(row, organization_id)
    for _ in range(SIZE // BLOCKS - 1):
        await allowance.spend(organization_id, 1)
    assert await administrator.fetchrow(row, organization_id) == first
    await allowance.spend(organization_id, 1)
    assert await administrator.fetchrow(row, organization_id) != first


@pytest.mark.parametrize(("seconds", "there"), [(10, 100), (1_000_000, SIZE), (-1_000_000, 0)])
async def test_points_come_back_with_time(
    database: Database, owner: Caller, administrator: asyncpg.Connection, seconds: int, there: int
) -> None:
    """So many a second, never more than the bucket holds; a clock that went back takes nothing away."""
    organization_id = owner.database.organization_id
    await spent(Allowance(database, SLOWLY), owner, 10)
    await administrator.execute(
        "update allowances set points = 0, refilled_at = clock_timestamp() - make_interval(secs => $2)"
        " where organization_id = $1",
        organization_id,
        float(seconds),
    )
    total = await spent(Allowance(database, Bucket(SIZE, 10)), owner, 5)
    assert there <= total <= there + 10 * A_FEW


async def test_each_organization_has_its_own(database: Database, owner: Caller, stranger: Caller) -> None:
    """Who has spent everything takes nothing from another."""
    allowance = Allowance(database, SLOWLY)
    await spent(allowance, owner, 50)
    assert await spent(allowance, stranger, 50) >= SIZE - 50


async def test_a_suspended_organization_is_charged_like_any_other(
    database: Database, owner: Caller, administrator: asyncpg.Connection
) -> None:
    """It may still read, and so it has to be bounded."""
    organization_id = owner.database.organization_id
    await administrator.execute(
        "update organizations set status = 'SUSPENDED' where organization_id = $1", organization_id
    )
    assert await spent(Allowance(database, SLOWLY), owner, 100) <= SIZE + A_FEW


@pytest.fixture
async def narrow(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A server that gives each organization 100 points, and one more each second."""
    few = {"cost_budget": 50, "allowance_points": 100, "allowance_points_per_second": 1}
    made = application(settings.model_copy(update=few))
    async with made.router.lifespan_context(made):
        transport = httpx.ASGITransport(app=made)
        async with httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client:
            yield client


async def test_who_asks_too_much_is_told_when_to_come_again(
    narrow: httpx.AsyncClient, owner: Caller, stranger: Caller
) -> None:
    """429, RATE_LIMITED, Retry-After; RateLimit headers with every answer; another organization goes on."""
    query = {"query": "{ customers(first: 40) { nodes { id } } }"}
    headers = {"authorization": f"Bearer {owner.api_key}"}
    answers = [await narrow.post("/graphql", json=query, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    costs = [answer.json()["extensions"]["cost"] for answer in answers]
    assert [cost["requested"] for cost in costs] == [41, 41, 41]
    assert costs[0]["available"] > costs[1]["available"] >= 0
    for answer, cost in zip(answers, costs, strict=True):
        assert answer.headers["ratelimit-policy"] == '"points";q=100;w=100'
        left = re.fullmatch(r'"points";r=([0-9]+);t=([0-9]+)', answer.headers["ratelimit"])
        assert left is not None
        assert int(left[1]) == cost["available"]
        assert int(left[2]) == 100 - cost["available"]
    (error,) = answers[2].json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert "data" not in answers[2].json()
    wait = int(answers[2].headers["retry-after"])
    assert 41 - costs[2]["available"] - 3 <= wait <= 41 - costs[2]["available"] + 1
    other = await narrow.post("/graphql", json=query, headers={"authorization": f"Bearer {stranger.api_key}"})
    assert other.status_code == 200
