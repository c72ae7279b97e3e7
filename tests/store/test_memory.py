"""What a process knows of entitlements, how it hears that this is not so any more, when it does not trust itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from app.api.ids import CUSTOMER, uuid_of
from app.domain.entitlement import Entitlement
from app.domain.errors import NotFound
from app.store.memory import EntitlementMemory
from app.store.news import CHANNELS, CUSTOMERS_MAX, IDS_MAX, Herald, news_from, payload_of, tell_usage
from app.store.notification import APPLICATION, Listener
from app.store.tables.organization import Mode
from app.store.tenancy import Database
from app.store.tenant import Matter, News
from tests.caller import Caller, Founder
from tests.operations.steps import (
    customer,
    database_of,
    hard_quota,
    instant,
    meter,
    plan,
    reserved,
    send,
    soft_quota,
    subscription,
)

ANYTHING_USED = News(None, Matter.USAGE, None)


class Process:
    """What another server process has: an ear and a memory of its own, over the same database."""

    def __init__(self, url: str, database: Database, customers_max: int = 100) -> None:
        self.listener = Listener(url)
        self.memory = EntitlementMemory(self.listener, customers_max=customers_max)
        self._said: list[str] = []
        self.listener.subscribe(CHANNELS[Matter.USAGE], self._said.append, self._said.clear)
        self._database = database

    async def heard_of_use_by(self, *customer_ids: UUID) -> None:
        """Wait until it was told that they used something: that is said a moment after the commit."""
        await until(lambda: all(customer_id.hex in " ".join(self._said) for customer_id in customer_ids))

    async def check(self, caller: Caller, feature: str = "calls", customer_id: UUID | None = None) -> Entitlement:
        """What a request to this process is answered."""
        db = database_of(self._database, caller)
        try:
            return await self.memory.check(db, customer_id, feature)
        finally:
            await db.release(commit=False)

    def recall(self, caller: Caller, feature: str = "calls", customer_id: UUID | None = None) -> Entitlement | None:
        """What it knows without asking."""
        return self.memory.recall(caller.database.organization_id, customer_id, feature)

    async def forgotten(self, caller: Caller, feature: str = "calls") -> None:
        """Wait until it does not know any more what it knew, and not for ever."""
        await until(lambda: self.recall(caller, feature) is None)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.002)


@asynccontextmanager
async def process(url: str, database: Database, customers_max: int = 100) -> AsyncIterator[Process]:
    made = Process(url, database, customers_max)
    await made.listener.open()
    try:
        yield made
    finally:
        await made.listener.close()


@pytest.fixture
async def tester(founder: Founder) -> Caller:
    """The owner of a fresh TEST organization."""
    return await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-20T00:00:00Z"))


@pytest.fixture
async def other(app_url: str, database: Database) -> AsyncIterator[Process]:
    """Another process than the one that serves."""
    async with process(app_url, database) as made:
        yield made


@pytest.fixture
async def subscribed(tester: Caller) -> str:
    """A subscription with a HARD limit of 10 calls; a plan with 100; a BOOLEAN feature that neither has."""
    await meter(tester)
    await plan(tester, "unsold", 0, {"key": "exports", "name": "Exports", "type": "BOOLEAN"})
    await plan(tester, "large", 0, hard_quota("calls", "100"))
    await plan(tester, "small", 0, hard_quota("calls", "10"))
    return await subscription(tester, "small")


async def change_plan(caller: Caller, subscription_id: str) -> None:
    await caller.change("subscriptionChangePlan", {"subscriptionId": subscription_id, "planKey": "large"}, "")


async def subscribe(caller: Caller, _subscription_id: str) -> None:
    await subscription(caller, "large")


async def pause(caller: Caller, subscription_id: str) -> None:
    await caller.change("subscriptionPause", {"subscriptionId": subscription_id}, "")


async def cancel(caller: Caller, subscription_id: str) -> None:
    await caller.change("subscriptionCancel", {"subscriptionId": subscription_id, "timing": "NOW"}, "")


async def advance(caller: Caller, _subscription_id: str) -> None:
    await caller.change("testClockAdvance", {"to": "2026-06-20T00:00:00Z"}, "")


async def move(caller: Caller, _subscription_id: str) -> None:
    await caller.change("organizationUpdate", {"timeZone": "Asia/Tokyo"}, "")


async def record(caller: Caller, _subscription_id: str) -> None:
    await send(caller, {"meter": "calls", "quantity": "3"})


async def hold(caller: Caller, _subscription_id: str) -> None:
    await reserved(caller, "4")


async def match(caller: Caller, _subscription_id: str) -> None:
    await customer(caller, externalId="waited-for")


async def correct(caller: Caller, _subscription_id: str) -> None:
    await caller.change("usageCorrect", {"eventId": "early", "quantity": "0", "reason": "grue"}, "")


CHANGES = [change_plan, subscribe, pause, cancel, advance, move, record, hold, match, correct]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_what_one_process_changes_another_answers(
    tester: Caller, other: Process, subscribed: str, change: Callable, database: Database
) -> None:
    """It forgets what it knew, and its next answer is what the database says."""
    await send(tester, {"meter": "calls", "externalCustomerId": "waited-for", "eventId": "waits"})
    await send(tester, {"meter": "calls", "eventId": "early"})
    await caught_up(tester, other)
    await other.heard_of_use_by((await other.check(tester)).customer_id)
    await other.check(tester)
    assert other.recall(tester) is not None
    await change(tester, subscribed)
    await other.forgotten(tester)
    async with process_without_ear(database) as deaf:
        assert await other.check(tester) == await deaf.check(tester)


@asynccontextmanager
async def process_without_ear(database: Database) -> AsyncIterator[Process]:
    """One that never trusts what it knows: its answers are the database's."""
    yield Process("postgresql://nowhere.invalid/none", database)


@pytest.mark.parametrize("end", ["usageSettle", "usageRelease"])
async def test_how_a_hold_ends_is_heard(tester: Caller, other: Process, subscribed: str, end: str) -> None:
    """Settled or released, what it held is free in the other process, too."""
    held = await reserved(tester, "4")
    assert (await other.check(tester)).reserved == 4
    await tester.change(end, {"reservationId": held} | ({"quantity": "1"} if end == "usageSettle" else {}), "")
    await other.forgotten(tester)
    assert (await other.check(tester)).reserved == 0


async def caught_up(caller: Caller, other: Process) -> None:
    """Wait until the other process heard all that was committed before: news come in the order of their commits."""
    someone = await customer(caller)
    customer_id = uuid_of(CUSTOMER, someone)
    await other.check(caller, customer_id=customer_id)
    await subscription(caller, "large", customerId=someone)
    await until(lambda: other.recall(caller, customer_id=customer_id) is None)


async def test_what_changed_nothing_is_not_heard(tester: Caller, other: Process, subscribed: str) -> None:
    """Neither a dry run nor a refusal makes anybody forget."""
    await caught_up(tester, other)
    before = await other.check(tester)
    large = {"subscriptionId": subscribed, "planKey": "large"}
    await tester.change("subscriptionChangePlan", large | {"dryRun": True}, "")
    await tester.attempt("subscriptionChangePlan", large | {"quantity": 0}, "")
    await tester.change("usageReserve", {"feature": "calls", "quantity": "1", "dryRun": True}, "")
    await caught_up(tester, other)
    assert other.recall(tester) == before


async def test_an_answer_from_memory_asks_nothing(
    tester: Caller, other: Process, subscribed: str, administrator: asyncpg.Connection
) -> None:
    """No transaction is opened, for any reason that is given: granted, at the limit, and what is not granted."""
    await send(tester, {"meter": "calls", "quantity": "7"})
    await other.heard_of_use_by((await other.check(tester)).customer_id)
    answers = {feature: await other.check(tester, feature) for feature in ("calls", "exports")}
    assert [answer.reason for answer in answers.values()] == ["GRANTED", "FEATURE_NOT_IN_PLAN"]
    nowhere = Database(None)  # ty: ignore[invalid-argument-type] - whoever asked would fail
    db = database_of(nowhere, tester)
    for feature, answer in answers.items():
        assert await other.memory.check(db, None, feature) == answer
    at_limit = await other.memory.check(db, None, "calls", Decimal(4))
    assert (at_limit.allowed, at_limit.reason, at_limit.remaining) == (False, "LIMIT_REACHED", 3)
    assert [each.feature for each in await other.memory.check_all(db, None)] == ["calls"]
    assert other.recall(tester, "nothing-of-this-name") is None


async def test_this_process_reads_what_it_wrote(tester: Caller, subscribed: str) -> None:
    """Whoever was answered by a mutation is told the truth at once by the same process."""
    document = '{ entitlement(feature: "calls") { used limit } }'
    for number in range(1, 6):
        await send(tester, {"meter": "calls", "eventId": f"event-{number}"})
        assert (await tester.data(document))["entitlement"] == {"used": str(number), "limit": "10"}
    await change_plan(tester, subscribed)
    assert (await tester.data(document))["entitlement"] == {"used": "5", "limit": "100"}


async def test_nothing_is_answered_from_memory_while_it_does_not_hear(
    tester: Caller, other: Process, subscribed: str, administrator: asyncpg.Connection
) -> None:
    """With its connection lost all is forgotten, and the database answers; then it remembers again."""
    await other.check(tester)
    others = "select pid from pg_stat_activity where application_name = $1 and datname = current_database()"
    for row in await administrator.fetch(others, APPLICATION):
        await administrator.execute("select pg_terminate_backend($1)", row["pid"])
    await until(lambda: not other.listener.trusted)
    assert (other.recall(tester), len(other.memory)) == (None, 0)
    answer = await other.check(tester)
    assert (answer.limit, answer.allowed) == (10, True)
    await until(lambda: other.listener.trusted)
    assert await other.check(tester) == answer
    assert other.recall(tester) == answer


async def test_what_an_older_snapshot_shows_is_not_remembered(
    tester: Caller, other: Process, subscribed: str, database: Database
) -> None:
    """A request that began before the change is answered as of its snapshot, and nobody after it."""
    db = database_of(database, tester)
    await db.snapshot()
    await other.check(tester)
    await change_plan(tester, subscribed)
    await other.forgotten(tester)
    assert (await other.memory.check(db, None, "calls")).limit == 10
    assert other.recall(tester) is None
    await db.release(commit=False)
    assert (await other.check(tester)).limit == 100


async def test_older_levels_are_not_remembered_either(
    tester: Caller, other: Process, subscribed: str, database: Database
) -> None:
    """The terms are known still: only what is used is read, and not kept where the snapshot is too old."""
    db = database_of(database, tester)
    await db.snapshot()
    await other.check(tester)
    await record(tester, subscribed)
    await other.forgotten(tester)
    assert (await other.memory.check(db, None, "calls")).used == 0
    assert other.recall(tester) is None
    await db.release(commit=False)
    assert (await other.check(tester)).used == 3


async def test_a_hold_expires_in_memory_as_in_the_database(founder: Founder, other: Process) -> None:
    """By real time, in a LIVE organization, though nobody says anything."""
    owner = await founder.organization()
    await meter(owner)
    await plan(owner, "small", 0, hard_quota("calls", "10"))
    await subscription(owner, "small")
    await reserved(owner, "10", ttlSeconds=1)
    assert (await other.check(owner)).remaining == 0
    async with asyncio.timeout(10):
        while (await other.check(owner)).remaining == 0:  # noqa: ASYNC110 - time passes, and nothing else
            await asyncio.sleep(0.02)
    assert (await other.check(owner)).remaining == 10


async def test_memory_is_bounded(tester: Caller, app_url: str, database: Database, subscribed: str) -> None:
    """The customer that was not asked for longest goes first."""
    ids = [uuid_of(CUSTOMER, await customer(tester)) for _ in range(3)]
    async with process(app_url, database, customers_max=2) as small:
        for customer_id in (ids[0], ids[1], ids[0], ids[2]):
            await small.check(tester, "exports", customer_id)
        known = [small.recall(tester, "exports", customer_id) is not None for customer_id in ids]
        assert (known, len(small.memory)) == ([True, False, True], 2)


async def test_one_organization_is_told_nothing_of_another(
    tester: Caller, stranger: Caller, other: Process, subscribed: str
) -> None:
    """Known or not, a foreign customer is none, and a foreign feature is none."""
    known = (await other.check(tester)).customer_id
    for customer_id in (known, UUID(int=7)):
        with pytest.raises(NotFound, match="No customer has this id"):
            await other.check(stranger, "calls", customer_id)
    for feature in ("calls", "xyzzy"):
        with pytest.raises(NotFound, match="No plan has a feature with this key"):
            await other.check(stranger, feature)


async def test_the_terms_of_many_are_learned_at_once(tester: Caller, other: Process, database: Database) -> None:
    """Each customer's are its own, as if it had been asked for alone."""
    await meter(tester)
    await plan(tester, "small", 0, hard_quota("calls", "10"))
    await plan(tester, "soft", 0, soft_quota("calls", "5"))
    ids = []
    for number, plan_key in enumerate(("small", "soft", "small", None)):
        customer_id = await customer(tester)
        ids.append(uuid_of(CUSTOMER, customer_id))
        if plan_key is not None:
            await subscription(tester, plan_key, customerId=customer_id)
            event = {"meter": "calls", "quantity": str(number + 1), "customerId": customer_id, "eventId": customer_id}
            await send(tester, event)
    await other.heard_of_use_by(*ids[:3])
    async with tester.database.read() as tx:
        await other.memory.learn(tx, ids)
    known = [other.recall(tester, customer_id=customer_id) for customer_id in ids[:3]]
    assert [None if each is None else (each.limit, each.used) for each in known] == [(10, 1), (5, 2), (10, 3)]
    for customer_id in ids:
        async with process_without_ear(database) as deaf:
            assert await deaf.check(tester, customer_id=customer_id) == await other.check(
                tester, customer_id=customer_id
            )


class TestNews:
    """What is said, and to whom."""

    def test_what_is_said_is_heard(self) -> None:
        """Ids alone, as they were; all customers as a star."""
        organization_id, one, two = UUID(int=1), UUID(int=2), UUID(int=3)
        assert news_from(Matter.USAGE, payload_of(organization_id, [one, two])) == [
            News(organization_id, Matter.USAGE, one),
            News(organization_id, Matter.USAGE, two),
        ]
        assert news_from(Matter.TERMS, payload_of(organization_id, [None])) == [
            News(organization_id, Matter.TERMS, None)
        ]

    @pytest.mark.parametrize("payload", ["", "xyzzy", "* xyzzy", f"{UUID(int=1).hex} plugh", " "])
    def test_nonsense_is_no_news(self, payload: str) -> None:
        """Whoever may log in may say anything."""
        assert news_from(Matter.TERMS, payload) == []

    def test_a_notification_is_never_too_long(self) -> None:
        """PostgreSQL takes less than 8,000 bytes."""
        assert len(payload_of(UUID(int=1), [UUID(int=2)] * IDS_MAX)) < 8_000

    async def test_a_process_without_a_herald_says_it_with_the_commit(self, tester: Caller, other: Process) -> None:
        """As a worker or a command does: nothing is lost by its end."""
        await meter(tester)
        await plan(tester, "small", 0, hard_quota("calls", "10"))
        await subscription(tester, "small")
        customer_id = (await other.check(tester)).customer_id
        async with tester.database.write() as tx:
            assert tx.news is None
            await tell_usage(tx, [customer_id])
        await other.forgotten(tester)

    async def test_what_was_not_heard_is_said_again(self, app_url: str, database: Database) -> None:
        """Usage that was recorded without a connection is news once there is one; so is what waits at the end."""
        async with process(app_url, database) as hearing:
            said: list[News] = []
            hearing.memory.heard = said.append  # ty: ignore[invalid-assignment]
            mute = Listener(app_url)
            herald = Herald(mute, lambda _: None)
            news = News(UUID(int=1), Matter.USAGE, UUID(int=2))
            async with herald.carrying():
                herald.committed(frozenset({news}))
                await asyncio.sleep(0.05)
                assert said == []
                await mute.open()
                await until(lambda: said == [news, ANYTHING_USED])
                herald.committed(frozenset({news}))
            await until(lambda: said == [news, ANYTHING_USED, news])
            await mute.close()

    @pytest.mark.usefixtures("subscribed")
    async def test_a_process_that_starts_has_usage_read_anew(
        self, tester: Caller, other: Process, app_url: str, database: Database
    ) -> None:
        """The one before it may have been killed between a commit and its news: nobody goes on without them."""
        await caught_up(tester, other)
        await other.check(tester)
        async with process(app_url, database) as fresh, Herald(fresh.listener, lambda _: None).carrying():
            await other.forgotten(tester)
        assert (await other.check(tester)).used == 0

    async def test_too_many_to_name_are_all(self, app_url: str, database: Database) -> None:
        """Where thousands of one organization's customers used something at once, one word says so."""
        async with process(app_url, database) as hearing:
            said: list[News] = []
            hearing.memory.heard = said.append  # ty: ignore[invalid-assignment]
            mouth = Listener(app_url)
            await mouth.open()
            herald = Herald(mouth, lambda _: None)
            async with herald.carrying():
                herald.committed(
                    frozenset(News(UUID(int=1), Matter.USAGE, UUID(int=n)) for n in range(CUSTOMERS_MAX + 1))
                )
            await until(lambda: len(said) == 2)
            assert said == [News(UUID(int=1), Matter.USAGE, None), ANYTHING_USED]
            await mouth.close()


def test_channels_are_of_one_matter_each() -> None:
    """So that whoever listens need not tell them apart."""
    assert set(CHANNELS) == set(Matter)
    assert len(set(CHANNELS.values())) == len(CHANNELS)
