"""POST /usage is paid for out of the organization's points, as `usageRecord` of the same events is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.main import application
from app.settings import Settings
from tests.caller import Caller
from tests.operations.steps import meter

USAGE_RECORD = """mutation($events: [UsageEventInput!]!) {
  usageRecord(input: { events: $events }) { accepted results(all: true) { verdict } } }"""


@asynccontextmanager
async def served(settings: Settings, **limits: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A server with those limits."""
    made = application(settings.model_copy(update=limits))
    async with made.router.lifespan_context(made):
        transport = httpx.ASGITransport(app=made)
        async with httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client:
            yield client


def events(count: int, name: str = "e") -> list[dict[str, str]]:
    return [{"eventId": f"{name}-{number}", "meter": "calls"} for number in range(count)]


async def sent(http: httpx.AsyncClient, caller: Caller, count: int, name: str = "e") -> httpx.Response:
    """What became of a body of so many events."""
    body = "".join(f'{{"eventId": "{each["eventId"]}", "meter": "calls"}}\n' for each in events(count, name))
    headers = {"authorization": f"Bearer {caller.api_key}", "content-type": "application/x-ndjson"}
    return await http.post("/usage", content=body.encode(), headers=headers)


def left(response: httpx.Response) -> int:
    """How many points the organization has left, as the header says."""
    return int(response.headers["ratelimit"].partition("r=")[2].partition(";")[0])


@pytest.mark.parametrize("count", [1, 10, 11, 1_000])
async def test_events_cost_the_same_by_whatever_way_they_come(settings: Settings, owner: Caller, count: int) -> None:
    """What is left says it, and the headers of both answers are of one kind."""
    await meter(owner)
    async with served(settings, allowance_points=100_000, allowance_points_per_second=1) as http:
        caller = replace(owner, http=http)
        recorded = await caller.post({"query": USAGE_RECORD, "variables": {"events": events(count)}})
        cost = recorded.json()["extensions"]["cost"]
        streamed = await sent(http, owner, count, "other")
        assert streamed.json()["accepted"] == count
        assert 0 <= left(streamed) - (cost["available"] - cost["requested"]) <= 2
        assert streamed.headers["ratelimit-policy"] == recorded.headers["ratelimit-policy"]


async def test_who_has_spent_everything_is_told_when_to_come_again(
    settings: Settings, owner: Caller, stranger: Caller
) -> None:
    """429, RATE_LIMITED, Retry-After, and nothing is stored; another organization goes on."""
    for caller in (owner, stranger):
        await meter(caller)
    async with served(settings, cost_budget=20, allowance_points=20, allowance_points_per_second=1) as http:
        assert (await sent(http, owner, 20)).status_code == 200
        refused = await sent(http, owner, 100, "more")
        assert refused.status_code == 429
        (error,) = refused.json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert left(refused) < 20
        assert refused.json()["accepted"] == 0
        assert (await sent(http, stranger, 20)).status_code == 200
    assert (await owner.data("{ usageEvents { totalCount } }"))["usageEvents"]["totalCount"] == 20


async def test_a_long_body_is_paced_and_not_cut_off(settings: Settings, owner: Caller) -> None:
    """A body that costs more than the bucket holds waits for the points to come back, chunk by chunk."""
    await meter(owner)
    limits = {"cost_budget": 110, "allowance_points": 110, "allowance_points_per_second": 1_000}
    async with served(settings, **limits) as http:
        answer = await sent(http, owner, 2_500)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2_500)


async def test_a_body_whose_points_come_too_late_says_what_it_stored(settings: Settings, owner: Caller) -> None:
    """It is not kept waiting longer than it may keep us waiting; sent again later, what was stored is there."""
    await meter(owner)
    limits = {"cost_budget": 110, "allowance_points": 150, "allowance_points_per_second": 1}
    async with served(settings, **limits) as http:
        answer = await sent(http, owner, 2_500)
    assert (answer.status_code, answer.json()["accepted"]) == (429, 1_000)
    assert answer.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_without_a_limit_nothing_is_said_of_one(http: httpx.AsyncClient, owner: Caller) -> None:
    """No header, as with GraphQL."""
    await meter(owner)
    assert "ratelimit" not in (await sent(http, owner, 3)).headers
