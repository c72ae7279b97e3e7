"""Tampering with the audit records shows: the chain of each organization breaks, and the first broken link is named."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.domain.errors import Invalid
from app.store.audit import record
from app.store.chain import Verification, verify_audit
from app.store.query import new_id
from tests.caller import Caller

RECORDS = 7
"""Of an organization that was bootstrapped and then made six customers."""


@pytest.fixture
async def recorded(owner: Caller) -> Caller:
    """An organization with seven audit records."""
    for number in range(RECORDS - 1):
        await owner.change("customerCreate", {"name": f"Zork {number}"}, "customer { id }")
    return owner


@pytest.fixture
async def unguarded(administrator: asyncpg.Connection) -> AsyncIterator[None]:
    """A superuser's session in which neither triggers nor foreign keys hold."""
    await administrator.execute("set session_replication_role = replica")
    await administrator.execute("alter table audit_records disable trigger append_only")
    yield
    await administrator.execute("alter table audit_records enable always trigger append_only")
    await administrator.execute("reset session_replication_role")


async def verified(caller: Caller) -> Verification:
    async with caller.database.read() as tx:
        return await verify_audit(tx)


async def record_at(administrator: asyncpg.Connection, caller: Caller, sequence: int) -> asyncpg.Record:
    row = await administrator.fetchrow(
        "select * from audit_records where organization_id = $1 and sequence = $2",
        caller.database.organization_id,
        sequence,
    )
    assert row is not None
    return row


async def test_an_untouched_chain_is_intact(recorded: Caller) -> None:
    """Every record follows from the one before, and the chain ends where the last one does."""
    found = await verified(recorded)
    assert (found.intact, found.links, found.broken_at) == (True, RECORDS, None)


@pytest.mark.parametrize(
    "tampering",
    [
        "update audit_records set outcome = 'DENIED' where id = $1",
        "update audit_records set action = 'bork.bork' where id = $1",
        "update audit_records set principal = 'somebody else' where id = $1",
        "update audit_records set record_id = gen_random_uuid() where id = $1",
        "update audit_records set record_type = 'invoice' where id = $1",
        "update audit_records set reason = 'bork' where id = $1",
        "update audit_records set request_id = 'bork' where id = $1",
        """update audit_records set changes = '[{"field": "bork", "before": null, "after": null}]' where id = $1""",
        "update audit_records set created_at = created_at - interval '1 microsecond' where id = $1",
        "update audit_records set hash = sha256('bork') where id = $1",
    ],
)
async def test_a_changed_record_is_named(
    recorded: Caller, administrator: asyncpg.Connection, unguarded: None, tampering: str
) -> None:
    """Whatever of it was changed, though the triggers were taken away."""
    victim = await record_at(administrator, recorded, 4)
    await administrator.execute(tampering, victim["id"])
    found = await verified(recorded)
    assert (found.intact, found.links, found.broken_at) == (False, 3, victim["id"])


async def test_a_removed_record_is_found(recorded: Caller, administrator: asyncpg.Connection, unguarded: None) -> None:
    """The one after it does not follow."""
    gone, after = await record_at(administrator, recorded, 4), await record_at(administrator, recorded, 5)
    await administrator.execute("delete from audit_records where id = $1", gone["id"])
    assert (await verified(recorded)).broken_at == after["id"]


async def test_a_chain_cut_at_its_end_is_not_intact(
    recorded: Caller, administrator: asyncpg.Connection, unguarded: None
) -> None:
    """The chain's own row knows how far it goes."""
    last = await record_at(administrator, recorded, RECORDS)
    await administrator.execute("delete from audit_records where id = $1", last["id"])
    assert await verified(recorded) == Verification(
        intact=False, links=RECORDS - 1, broken_at=None, head=(await record_at(administrator, recorded, 6))["hash"]
    )


@pytest.mark.parametrize("place", [4, RECORDS + 1])
async def test_an_inserted_record_is_named(
    recorded: Caller, administrator: asyncpg.Connection, unguarded: None, place: int
) -> None:
    """In the middle, where the ones after it were moved up, and at the end, where the chain's row does not know it."""
    await administrator.execute(
        "update audit_records set sequence = -sequence - 1 where organization_id = $1 and sequence >= $2",
        recorded.database.organization_id,
        place,
    )
    await administrator.execute(
        "update audit_records set sequence = -sequence where organization_id = $1 and sequence < 0",
        recorded.database.organization_id,
    )
    forged = await administrator.fetchval(
        """
        insert into audit_records (organization_id, id, action, outcome, principal_kind, principal, request_id, changes,
          created_at, sequence, hash)
        select organization_id, gen_random_uuid(), action, outcome, principal_kind, principal, request_id, changes,
          created_at, $2, hash
        from audit_records where organization_id = $1 and sequence = 1 returning id
        """,
        recorded.database.organization_id,
        place,
    )
    found = await verified(recorded)
    assert (found.intact, found.links, found.broken_at) == (False, place - 1, forged)


async def test_many_at_once_make_one_chain(owner: Caller, administrator: asyncpg.Connection) -> None:
    """Parallel writers follow each other: no number twice, none left out, every link in its place."""
    made = [owner.change("customerCreate", {"name": f"Zork {number}"}, "customer { id }") for number in range(30)]
    await asyncio.gather(*made)
    assert (await verified(owner)).intact
    sequences = await administrator.fetch(
        "select sequence from audit_records where organization_id = $1 order by sequence",
        owner.database.organization_id,
    )
    assert [row["sequence"] for row in sequences] == list(range(1, 32))


async def test_what_is_undone_leaves_no_record(owner: Caller) -> None:
    """A savepoint that is undone takes its records along; those before and after it follow each other."""
    async with owner.database.write() as tx:
        await record(tx, "meter.create", new_id())
        with contextlib.suppress(Invalid):
            async with tx.savepoint():
                await record(tx, "meter.create", new_id())
                raise Invalid("bork")
        await record(tx, "meter.create", new_id())
    found = await verified(owner)
    assert (found.intact, found.links) == (True, 3)


async def test_the_chain_is_locked_last(owner: Caller, administrator: asyncpg.Connection) -> None:
    """While an operation is under way nobody waits for the chain: its row is locked with the commit alone."""
    async with owner.database.write() as tx:
        await record(tx, "meter.create", new_id())
        await administrator.execute("begin")
        # `nowait` fails at once where anybody holds it.
        row = await administrator.fetchrow(
            "select last_sequence from audit_chains where organization_id = $1 for update nowait",
            owner.database.organization_id,
        )
        await administrator.execute("rollback")
    assert row is not None
    assert row["last_sequence"] == 1
    assert (await verified(owner)).links == 2
