"""`tallygate ledger verify` and `tallygate audit verify` at the keyboard."""

import asyncio

import asyncpg
import pytest

from app.api.ids import ORGANIZATION, uuid_of
from app.store.tables.organization import OrganizationStatus
from tests.caller import Caller, Founder
from tests.cli.test_cli import run

TAMPER = "update ledger_transactions set description = 'bork' where organization_id = $1 and sequence = 2"


async def verify(worker_url: str, *options: str):
    """What the command says; it runs a loop of its own, so in a thread of its own."""
    return await asyncio.to_thread(run, "ledger", "verify", *options, DATABASE_URL=worker_url)


async def test_books_are_verified_and_a_broken_link_is_named(
    owner: Caller, administrator: asyncpg.Connection, worker_url: str
) -> None:
    """Intact, it says how long the chain is; tampered with, where it breaks, and ends with 1."""
    for number in range(3):
        await owner.change(
            "ledgerAdjust", {"amount": 100 + number, "currency": "USD", "description": "Zork"}, "ledgerEntry { id }"
        )
    intact = await verify(worker_url, "--organization", owner.organization_id)
    assert (intact.exit_code, intact.stdout) == (0, f"{owner.organization_id}: intact, 3 transactions\n"), intact.stderr
    await administrator.execute("set session_replication_role = replica")
    await administrator.execute("alter table ledger_transactions disable trigger append_only")
    await administrator.execute(TAMPER, owner.database.organization_id)
    await administrator.execute("alter table ledger_transactions enable always trigger append_only")
    await administrator.execute("reset session_replication_role")
    broken = await verify(worker_url, "--organization", owner.organization_id)
    assert broken.exit_code == 1
    assert f"{owner.organization_id}: BROKEN at " in broken.stdout
    assert "after 1 transactions" in broken.stdout


async def test_all_are_verified_whatever_their_status(
    founder: Founder, administrator: asyncpg.Connection, worker_url: str
) -> None:
    """Those that nobody changes any more are the ones in which nobody would see it."""
    statuses = {(await founder.organization()).organization_id: status for status in OrganizationStatus}
    for id_, status in statuses.items():
        await administrator.execute(
            "update organizations set status = $2 where organization_id = $1", uuid_of(ORGANIZATION, id_), status
        )
    for what, told in (("ledger", "intact, 0 transactions"), ("audit", "intact, 1 records")):
        done = await asyncio.to_thread(run, what, "verify", "--all", DATABASE_URL=worker_url)
        assert {f"{id_}: {told}" for id_ in statuses} <= set(done.stdout.splitlines())


@pytest.mark.parametrize("options", [(), ("--all", "--organization", "org_01h455vb4pex5vsknk084sn02q")])
async def test_it_says_what_is_wrong(worker_url: str, options: tuple[str, ...]) -> None:
    """A sentence and exit code 1."""
    done = await verify(worker_url, *options)
    assert done.exit_code == 1
    assert "--organization ORG, or --all" in done.stderr


async def test_audit_records_are_verified_likewise(
    owner: Caller, administrator: asyncpg.Connection, worker_url: str
) -> None:
    """`tallygate audit verify` says how long the chain is, or where it breaks."""

    async def verified():
        return await asyncio.to_thread(
            run, "audit", "verify", "--organization", owner.organization_id, DATABASE_URL=worker_url
        )

    await owner.change("customerCreate", {"name": "Zork"}, "customer { id }")
    intact = await verified()
    assert (intact.exit_code, intact.stdout) == (0, f"{owner.organization_id}: intact, 2 records\n"), intact.stderr
    await administrator.execute("set session_replication_role = replica")
    await administrator.execute("alter table audit_records disable trigger append_only")
    await administrator.execute(
        "delete from audit_records where organization_id = $1 and sequence = 2", owner.database.organization_id
    )
    await administrator.execute("alter table audit_records enable always trigger append_only")
    await administrator.execute("reset session_replication_role")
    broken = await verified()
    assert broken.exit_code == 1
    assert broken.stdout == f"{owner.organization_id}: BROKEN, the last records are missing after 1\n"
