"""Batches: many postings, numbers and finalizations in one transaction, with as many statements as one takes."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from app.api.ids import CUSTOMER, INVOICE, uuid_of
from app.domain.errors import Invalid, InvalidState
from app.domain.invoice import Invoice
from app.domain.ledger import EntryType
from app.store.chain import verify_ledger
from app.store.finalization import finalize_drafts
from app.store.invoice import draw_numbers, lock_invoice
from app.store.ledger import StatementEntry, load_entries, post, post_all
from app.store.tenancy import Database, WriteTransaction
from tests.caller import Caller
from tests.operations.ledger.test_adjust import check_books
from tests.operations.steps import customer, database_of, draft

MOST = 2**53 - 1


def charge(customer_id: UUID, amount: int, cause: str, currency: str = "USD") -> StatementEntry:
    return StatementEntry(customer_id, EntryType.ADJUSTMENT, amount, currency, f"Frobozz {cause}", cause)


@pytest.fixture
async def customers(owner: Caller) -> list[UUID]:
    return [uuid_of(CUSTOMER, await customer(owner)) for _ in range(3)]


async def test_a_batch_posts_as_its_postings_would_one_by_one(
    owner: Caller, customers: list[UUID], administrator: asyncpg.Connection
) -> None:
    """Running balances and sequences go on from entry to entry, also where a customer comes several times."""
    batch = [charge(customers[n % 3], n + 1, f"c{n}", ("USD", "JPY")[n % 2]) for n in range(30)]
    async with owner.database.write() as tx:
        await post(tx, charge(customers[0], 700, "before"))
        ids = await post_all(tx, batch)
        await post(tx, charge(customers[0], 7, "after"))
    sums, counts = Counter({(customers[0], "USD"): 700}), Counter({(customers[0], "USD"): 1})
    async with owner.database.read() as tx:
        found = {entry.id: entry for entry in await load_entries(tx, ids)}
        for entry_id, posted in zip(ids, batch, strict=True):
            whose, entry = (posted.customer_id, posted.currency), found[entry_id]
            sums[whose] += posted.amount
            counts[whose] += 1
            assert (entry.customer_id, entry.currency, entry.description) == (*whose, posted.description)
            assert (entry.running_balance_minor, entry.sequence) == (sums[whose], counts[whose])
        verification = await verify_ledger(tx)
    assert (verification.intact, verification.links) == (True, 32)
    await check_books(administrator, owner)


async def statements_for(tx: WriteTransaction, batch: list[StatementEntry]) -> int:
    before = tx.statements
    await post_all(tx, batch)
    return tx.statements - before


async def test_a_batch_takes_no_more_statements_than_one(owner: Caller, customers: list[UUID]) -> None:
    """Nothing for none; six where the accounts are there, one more where some are opened."""
    async with owner.database.write() as tx:
        found = [
            await statements_for(tx, []),
            await statements_for(tx, [charge(customers[0], 7, "one")]),
            await statements_for(tx, [charge(customers[0], 7, "two")]),
            await statements_for(tx, [charge(customers[n % 3], 7, f"many {n}") for n in range(300)]),
            await statements_for(tx, [charge(customers[n % 3], 7, f"more {n}") for n in range(300)]),
        ]
    assert found == [0, 7, 6, 7, 6]


async def test_a_batch_stands_or_falls_together(owner: Caller, customers: list[UUID]) -> None:
    """A cause that was posted, or comes twice, and a balance that passes its bounds on the way: nothing is posted."""
    async with owner.database.write() as tx:
        await post(tx, charge(customers[0], 7, "known"))
    good = charge(customers[1], 7, "good")
    for bad, error in [
        ([charge(customers[0], 7, "known")], InvalidState),
        ([charge(customers[0], 7, "twice"), charge(customers[1], 7, "twice")], InvalidState),
        ([charge(customers[0], MOST, "up"), charge(customers[0], -MOST, "down")], Invalid),
        ([charge(customers[0], MOST + 1, "much")], Invalid),
        ([charge(customers[0], 0, "nothing")], Invalid),
    ]:
        with pytest.raises(error):
            async with owner.database.write() as tx:
                await post_all(tx, [good, *bad])
    async with owner.database.read() as tx:
        assert (await verify_ledger(tx)).links == 1


async def test_batches_at_once_follow_each_other(
    owner: Caller, database: Database, customers: list[UUID], administrator: asyncpg.Connection
) -> None:
    """Twelve at once, each over all customers in another order: no deadlock, one chain, every balance right."""

    async def one(number: int) -> None:
        turned = customers[number % 3 :] + customers[: number % 3]
        async with database_of(database, owner).write() as tx:
            await post_all(tx, [charge(who, number + 1, f"{number}:{place}") for place, who in enumerate(turned * 3)])

    await asyncio.gather(*(one(number) for number in range(12)))
    await check_books(administrator, owner)
    async with owner.database.read() as tx:
        verification = await verify_ledger(tx)
    assert (verification.intact, verification.links) == (True, 108)


async def test_numbers_are_drawn_in_a_row(tester: Caller) -> None:
    """Several with one statement, none with none; rolled back, they are free again (M11)."""

    async def draw(count: int, *, fail: bool = False) -> list[str]:
        async with tester.database.write() as tx:
            drawn = await draw_numbers(tx, count)
            if fail:
                raise ZeroDivisionError
            return drawn

    assert await draw(0) == []
    assert await draw(3) == ["INV-2026-0001", "INV-2026-0002", "INV-2026-0003"]
    with pytest.raises(ZeroDivisionError):
        await draw(7, fail=True)
    assert await draw(2) == ["INV-2026-0004", "INV-2026-0005"]


async def locked(tx: WriteTransaction, drafts: list[str]) -> list[Invoice]:
    found = [await lock_invoice(tx, uuid_of(INVOICE, invoice_id)) for invoice_id in drafts]
    return [invoice for invoice in found if invoice is not None]


async def test_drafts_are_numbered_in_the_order_that_is_given(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """Charged, discounted to nothing or empty: each has its number, and what is owed is on the statement in order."""
    drafts = [await draft(tester, *amounts) for amounts in [(7,), (700, -700), (70, 7), (), (1,)]]
    async with tester.database.write() as tx:
        finals = await finalize_drafts(tx, (await locked(tx, drafts))[::-1], due_in_days=7)
        assert await finalize_drafts(tx, []) == []
    assert [final.number for final in finals] == [f"INV-2026-000{n}" for n in range(1, 6)]
    read = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Invoice { number status version dueAt } } }"
    nodes = (await tester.data(read, ids=drafts[::-1]))["nodes"]
    assert [node["number"] for node in nodes] == [final.number for final in finals]
    assert [node["status"] for node in nodes] == ["FINALIZED", "PAID", "FINALIZED", "PAID", "FINALIZED"]
    assert {node["dueAt"] for node in nodes} == {"2026-05-27T00:00:00Z"}
    entries = (await tester.data("{ ledgerEntries { nodes { description runningBalance { amount } } } }"))[
        "ledgerEntries"
    ]
    assert [(node["description"][-4:], node["runningBalance"]["amount"]) for node in entries["nodes"]] == [
        ("0005", 85),
        ("0003", 78),
        ("0001", 1),
    ]
    await check_books(administrator, tester)


async def test_one_bad_draft_keeps_all_from_being_finalized(tester: Caller) -> None:
    """And no number is burnt (M11)."""
    drafts = [await draft(tester, 7), await draft(tester, 7, -70)]
    with pytest.raises(Invalid):
        async with tester.database.write() as tx:
            await finalize_drafts(tx, await locked(tx, drafts))
    async with tester.database.write() as tx:
        (final,) = await finalize_drafts(tx, await locked(tx, drafts[:1]))
    assert (final.number, final.due_at) == ("INV-2026-0001", tx.now + timedelta(days=30))


async def test_finalizing_many_takes_the_statements_of_one(tester: Caller) -> None:
    """Two and those of the postings."""
    drafts = [await draft(tester, 7) for _ in range(12)]
    async with tester.database.write() as tx:
        invoices = await locked(tx, drafts)
        found = []
        for few in (invoices[:1], invoices[1:2], invoices[2:]):
            before = tx.statements
            await finalize_drafts(tx, few)
            found.append(tx.statements - before)
    assert found == [9, 8, 8]
