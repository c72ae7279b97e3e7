"""How many operations run at once, and in which order those that wait are let in."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.api import turnstile
from app.api.errors import Overloaded, RateLimited
from app.api.turnstile import Turnstile

FLOOD, POLITE, THIRD = uuid4(), uuid4(), uuid4()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "REFUSAL_SECONDS", 0.001)


class Crowd:
    """Requests that wait, and the order in which they came in."""

    def __init__(self, gate: Turnstile) -> None:
        self.gate = gate
        self.order: list[UUID] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def arrive(self, *organizations: UUID) -> None:
        for organization in organizations:
            self.tasks.append(asyncio.create_task(self._enter(organization)))
            await asyncio.sleep(0)

    async def _enter(self, organization: UUID) -> None:
        await self.gate.enter(organization)
        self.order.append(organization)

    async def leave(self, organization: UUID) -> None:
        self.gate.leave(organization)
        for _ in range(3):
            await asyncio.sleep(0)


async def test_organizations_take_turns_however_many_of_theirs_wait() -> None:
    """A flood waits behind itself: who comes with one request is let in next."""
    crowd = Crowd(Turnstile(most=2, most_each=2))
    await crowd.arrive(*[FLOOD] * 8, POLITE, THIRD)
    assert crowd.order == [FLOOD, FLOOD]
    for organization in (FLOOD, FLOOD, FLOOD, POLITE):
        await crowd.leave(organization)
    assert crowd.order[2:] == [FLOOD, POLITE, THIRD, FLOOD]
    for task in crowd.tasks:
        task.cancel()


async def test_an_organization_leaves_places_to_others() -> None:
    """It has its own bound, below the bound of all."""
    crowd = Crowd(Turnstile(most=4, most_each=2))
    await crowd.arrive(*[FLOOD] * 4, POLITE)
    assert crowd.order == [FLOOD, FLOOD, POLITE]
    await crowd.leave(POLITE)
    assert crowd.order == [FLOOD, FLOOD, POLITE]
    await crowd.leave(FLOOD)
    assert crowd.order == [FLOOD, FLOOD, POLITE, FLOOD]
    for task in crowd.tasks:
        task.cancel()


async def test_too_many_that_wait_are_refused() -> None:
    """RATE_LIMITED, for the one who floods; another still gets its turn."""
    gate = Turnstile(most=1, most_each=1)
    crowd = Crowd(gate)
    await crowd.arrive(*[FLOOD] * (1 + turnstile.WAITING_MAX))
    with pytest.raises(RateLimited) as refused:
        await gate.enter(FLOOD)
    assert refused.value.retry_after_seconds == 1
    await crowd.arrive(POLITE)
    await crowd.leave(FLOOD)
    await crowd.leave(FLOOD)
    assert POLITE in crowd.order
    for task in crowd.tasks:
        task.cancel()


async def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """OVERLOADED; and the place that it did not get is there for the next."""
    monkeypatch.setattr(turnstile, "WAIT_SECONDS_MAX", 0.001)
    gate = Turnstile(most=1, most_each=1)
    await gate.enter(FLOOD)
    with pytest.raises(Overloaded):
        await gate.enter(POLITE)
    gate.leave(FLOOD)
    await gate.enter(THIRD)


async def test_whoever_gives_up_while_waiting_takes_no_place() -> None:
    """Cancelled before its turn, or in the same moment: the next is let in, and no place is lost."""
    gate = Turnstile(most=1, most_each=1)
    for moment in ("before", "at once"):
        crowd = Crowd(gate)
        await crowd.arrive(FLOOD, POLITE, THIRD)
        if moment == "before":
            crowd.tasks[1].cancel()
            await crowd.leave(FLOOD)
        else:
            gate.leave(FLOOD)
            crowd.tasks[1].cancel()
            await asyncio.gather(*crowd.tasks, return_exceptions=True)
        assert crowd.order == [FLOOD, THIRD]
        await crowd.leave(THIRD)
    await asyncio.wait_for(gate.enter(POLITE), 1)
    gate.leave(POLITE)
