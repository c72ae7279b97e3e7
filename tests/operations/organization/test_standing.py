"""organization.suspend, organization.resume, organization.archive."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from app.domain.errors import InvalidState
from app.operations.organization.archive import archive_organization
from app.operations.organization.resume import resume_organization
from app.operations.organization.suspend import suspend_organization
from app.store.connection import ConnectionPool
from app.store.tenancy import Database, TenantDatabase
from tests.caller import Caller, Founder
from tests.operations.steps import TEST_ACTOR, codes, customer
from tests.tenancy.records import child_of


@pytest.fixture(scope="module")
async def worker(worker_url: str) -> AsyncIterator[Database]:
    """The database as the worker's login sees it."""
    pool = ConnectionPool(worker_url, size=2)
    await pool.open()
    yield Database(pool)
    await pool.close()


def of(worker: Database, caller: Caller) -> TenantDatabase:
    return worker.tenant(caller.database.organization_id, TEST_ACTOR)


async def status_of(caller: Caller) -> str:
    return (await caller.data("{ organization { status } }"))["organization"]["status"]


async def creates(caller: Caller) -> list[str]:
    """Why a customer cannot be made; nothing where one is."""
    return codes(await caller.attempt("customerCreate", {"name": "Frobozz"}, "customer { id }"))


async def test_a_suspended_organization_reads_and_changes_nothing_until_it_is_resumed(
    worker: Database, owner: Caller, founder: Founder, database: Database
) -> None:
    """Its key changes nothing in a child either, whose own keys go on; and it may still take access away."""
    child = await child_of(founder, database, owner, "Child")
    inside = dataclasses.replace(owner, headers={"x-organization-id": child.organization_id})
    made = await owner.change("apiKeyCreate", {"name": "Nightly"}, "apiKey { id }")
    assert await creates(inside) == []
    await suspend_organization(of(worker, owner))
    assert await status_of(owner) == "SUSPENDED"
    assert await creates(owner) == ["INVALID_STATE"]
    async with asyncio.timeout(10):
        while await creates(inside) != ["INVALID_STATE"]:  # noqa: ASYNC110 - the server hears it in its own time
            await asyncio.sleep(0.01)
    assert (await inside.data("{ organization { status } }"))["organization"]["status"] == "ACTIVE"
    assert await creates(child) == []
    assert codes(await owner.attempt("apiKeyCreate", {"name": "x"}, "secret")) == ["INVALID_STATE"]
    await owner.change("apiKeyRevoke", {"apiKeyId": made["apiKey"]["id"]}, "apiKey { revokedAt }")
    await resume_organization(of(worker, owner))
    assert await creates(owner) == []
    async with asyncio.timeout(10):
        while await creates(inside):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_an_archived_organization_is_closed_for_good(worker: Database, owner: Caller) -> None:
    """Only one that was suspended before is archived; it is read, and neither changed nor resumed."""
    await customer(owner)
    with pytest.raises(InvalidState):
        await archive_organization(of(worker, owner))
    await suspend_organization(of(worker, owner))
    with pytest.raises(InvalidState):
        await suspend_organization(of(worker, owner))
    await archive_organization(of(worker, owner))
    for move in (suspend_organization, resume_organization, archive_organization):
        with pytest.raises(InvalidState):
            await move(of(worker, owner))
    assert await status_of(owner) == "ARCHIVED"
    assert await creates(owner) == ["INVALID_STATE"]
    assert (await owner.data("{ customers { totalCount } }"))["customers"]["totalCount"] == 2
