"""`tallygate organization suspend`, `resume`, `archive` and `report` at the keyboard."""

import asyncio

import asyncpg
import pytest
from typer.testing import Result

from app.store.roles import OPERATOR
from app.store.tables.organization import Mode
from app.store.tenancy import Database
from tests.caller import Caller, Founder
from tests.cli.test_cli import run
from tests.conftest import APP_PASSWORD, Server
from tests.operations.steps import draft, finalized, instant
from tests.tenancy.records import child_of


@pytest.fixture(scope="module")
async def operator_url(server: Server, database_name: str, owner_url: str) -> str:
    connection = await asyncpg.connect(owner_url)
    await connection.execute(f"alter role {OPERATOR} password '{APP_PASSWORD}'")
    await connection.close()
    return server.url(database_name, OPERATOR)


async def typed(*words: str, **environment: str) -> Result:
    """What comes of a command; it runs an event loop of its own, so that it needs a thread of its own."""
    return await asyncio.to_thread(run, *words, **environment)


async def test_a_report_adds_up_what_lies_below_and_is_recorded(
    founder: Founder, database: Database, worker_url: str, operator_url: str, administrator: asyncpg.Connection
) -> None:
    """By mode and currency; drafts and voided invoices count for nothing, nor do those of others, or from above."""
    root = await founder.organization(legal_name="Root")
    child = await child_of(founder, database, root, "Child")
    grandchild = await child_of(founder, database, child, "Grandchild")
    await finalized(root, 100_000)
    for caller, amount in ((child, 2_000), (child, 300), (grandchild, 40)):
        invoice = await finalized(caller, amount)
        if amount == 300:
            await caller.change("invoiceVoid", {"invoiceId": invoice}, "invoice { id }")
        if amount == 40:
            await caller.change("invoiceMarkPaid", {"invoiceId": invoice, "amount": 10}, "invoice { id }")
    await draft(child, 5)
    tested = await child.change("organizationCreate", {"legalName": "T", "mode": "TEST"}, "organization { id }")
    inside = Caller(child.http, child.api_key, "", child.database, {"x-organization-id": tested["organization"]["id"]})
    await inside.change("invoiceMarkPaid", {"invoiceId": await finalized(inside, 7)}, "invoice { id }")
    done = await typed(
        "organization",
        "report",
        child.organization_id,
        DATABASE_URL=worker_url,
        TALLYGATE_OPERATOR_DATABASE_URL=operator_url,
    )
    assert done.exit_code == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if "USD" in line]
    assert rows == [
        ["LIVE", "USD", "2", "2", "$20.40", "$0.10", "$20.30"],
        ["TEST", "USD", "1", "1", "$0.07", "$0.07", "$0.00"],
    ]
    recorded = await administrator.fetch(
        "select principal, action from audit_records where organization_id = $1 and action like 'organization.report%'",
        child.database.organization_id,
    )
    assert [tuple(row) for row in recorded] == [("tallygate organization report", "organization.report")]


async def test_the_operator_sees_sums_and_no_row(
    operator_url: str, app_url: str, worker_url: str, owner: Caller
) -> None:
    """Not even of an organization that it enters; and no other login reports."""
    connection = await asyncpg.connect(operator_url)
    try:
        await connection.execute(f"select set_config('app.organization_id', '{owner.database.organization_id}', false)")
        for table in ("organizations", "invoices", "customers", "api_keys", "audit_records"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"select organization_id from {table}")
        assert await connection.fetch("select * from billing_totals_under($1)", owner.database.organization_id) == []
    finally:
        await connection.close()
    for login in (app_url, worker_url):
        done = await typed(
            "organization",
            "report",
            owner.organization_id,
            DATABASE_URL=worker_url,
            TALLYGATE_OPERATOR_DATABASE_URL=login,
        )
        assert (done.exit_code, "is not for reports" in done.stderr) == (1, True), done.stderr


async def test_an_organization_is_suspended_resumed_and_archived(founder: Founder, worker_url: str) -> None:
    """Each says what it did; what cannot be done is a sentence."""
    owner = await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-20T00:00:00Z"))
    for verb, code in (("archive", 1), ("suspend", 0), ("suspend", 1), ("resume", 0), ("suspend", 0), ("archive", 0)):
        done = await typed("organization", verb, owner.organization_id, DATABASE_URL=worker_url)
        assert done.exit_code == code, (verb, done.stderr)
        assert "Traceback" not in done.stderr
    assert (await owner.data("{ organization { status } }"))["organization"]["status"] == "ARCHIVED"
