"""Tampering with the books shows: every changed, removed or inserted row breaks the chain, and the break is named."""

from collections.abc import Callable

import asyncpg
import pytest

from app.store.chain import Verification, verify_ledger
from tests.caller import Caller

TRANSACTIONS = 7


@pytest.fixture
async def booked(owner: Caller) -> Caller:
    """An organization with seven ledger transactions."""
    for number in range(TRANSACTIONS):
        input = {"amount": 100 + number, "currency": "USD", "description": f"Zork {number}"}
        await owner.change("ledgerAdjust", input, "ledgerEntry { id }")
    return owner


async def verified(caller: Caller) -> Verification:
    async with caller.database.read() as tx:
        return await verify_ledger(tx)


async def transaction_at(administrator: asyncpg.Connection, caller: Caller, sequence: int) -> asyncpg.Record:
    row = await administrator.fetchrow(
        "select * from ledger_transactions where organization_id = $1 and sequence = $2",
        caller.database.organization_id,
        sequence,
    )
    assert row is not None
    return row


async def test_an_untouched_chain_is_intact(booked: Caller) -> None:
    """Every transaction follows from the one before, and the ledger ends where the last one does."""
    found = await verified(booked)
    assert (found.intact, found.links, found.broken_at) == (True, TRANSACTIONS, None)


async def test_an_empty_ledger_is_intact(owner: Caller) -> None:
    """Nothing to seal, nothing broken."""
    assert await verified(owner) == Verification(intact=True, links=0, broken_at=None, head=None)


@pytest.mark.parametrize(
    "tampering",
    [
        "update ledger_entries set debit_minor = debit_minor + 1 where transaction_id = $1 and debit_minor > 0",
        "update ledger_entries set description = 'bork' where transaction_id = $1",
        "update ledger_entries set effective_at = effective_at + interval '1 second' where transaction_id = $1",
        "update ledger_transactions set created_at = created_at - interval '1 microsecond' where id = $1",
        "update ledger_transactions set description = 'bork' where id = $1",
        "update ledger_transactions set hash = sha256('bork') where id = $1",
        "delete from ledger_entries where transaction_id = $1 and debit_minor = 0",
        """insert into ledger_entries (organization_id, id, transaction_id, account_id, type, description, debit_minor,
             credit_minor, currency, effective_at, created_at)
           select organization_id, gen_random_uuid(), transaction_id, account_id, type, description, debit_minor,
             credit_minor, currency, effective_at, created_at
           from ledger_entries where transaction_id = $1 and customer_id is null""",
    ],
)
async def test_a_changed_removed_or_inserted_row_is_named(
    booked: Caller, administrator: asyncpg.Connection, unguarded: Callable[[], None], tampering: str
) -> None:
    """Though someone takes the triggers away and tampers as a superuser, the first broken link is found."""
    victim = await transaction_at(administrator, booked, 4)
    await administrator.execute(tampering, victim["id"])
    found = await verified(booked)
    assert (found.intact, found.links, found.broken_at) == (False, 3, victim["id"])


async def test_a_removed_transaction_is_found(
    booked: Caller, administrator: asyncpg.Connection, unguarded: Callable[[], None]
) -> None:
    """Where one is gone, the next one does not follow; where the last is gone, the chain ends early."""
    gone, after = await transaction_at(administrator, booked, 4), await transaction_at(administrator, booked, 5)
    await administrator.execute("delete from ledger_entries where transaction_id = $1", gone["id"])
    await administrator.execute("delete from ledger_transactions where id = $1", gone["id"])
    assert (await verified(booked)).broken_at == after["id"]


async def test_a_chain_cut_at_its_end_is_not_intact(
    booked: Caller, administrator: asyncpg.Connection, unguarded: Callable[[], None]
) -> None:
    """The ledger itself knows how far its chain goes."""
    last = await transaction_at(administrator, booked, TRANSACTIONS)
    await administrator.execute("delete from ledger_entries where transaction_id = $1", last["id"])
    await administrator.execute("delete from ledger_transactions where id = $1", last["id"])
    found = await verified(booked)
    assert (found.intact, found.broken_at) == (False, None)


@pytest.fixture
async def unguarded(administrator: asyncpg.Connection):
    """A superuser's session in which neither triggers nor foreign keys hold."""
    await administrator.execute("set session_replication_role = replica")
    await administrator.execute("alter table ledger_entries disable trigger append_only")
    await administrator.execute("alter table ledger_transactions disable trigger append_only")
    yield
    await administrator.execute("alter table ledger_entries enable always trigger append_only")
    await administrator.execute("alter table ledger_transactions enable always trigger append_only")
    await administrator.execute("reset session_replication_role")
