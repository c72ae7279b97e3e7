"""An installation from before the billing engine goes on: what was billed stays billed, the rest falls due."""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Protocol

import asyncpg
import pytest

from app.main import seal_what_is_plain
from app.operations.billing.run import run_billing
from app.store.chain import verify_audit
from app.store.connection import ConnectionPool
from app.store.migration import migrate
from app.store.organization import load_legal_documents
from app.store.roles import APP
from app.store.system import SystemDatabase
from app.store.tenancy import Actor, Database
from app.store.vault.master import MasterKeys
from app.store.vault.vault import Vault
from tests.conftest import MASTER_KEY

BEFORE = "0003"
DOCUMENT = 'OLD "4711"'

OLD_ROWS = (
    """insert into organizations (organization_id, legal_document, legal_name, status, mode, test_clock, region,
         default_currency, time_zone, metadata, created_at, updated_at)
       values ($1, 'OLD "4711"', 'Old Inc', 'ACTIVE', 'TEST', '2026-11-15Z', 'default', 'USD', 'UTC', '{}', now(),
         now())""",
    """insert into customers (organization_id, id, name, currency, metadata, is_default, created_at, updated_at)
       values ($1, $1, 'Old Inc', 'USD', '{}', true, now(), now())""",
    """insert into plans (organization_id, id, key, version, name, status, currency, base_price_minor, interval,
         interval_count, timing, created_at)
       values ($1, $1, 'pro', 1, 'Pro', 'ACTIVE', 'USD', 3100, 'MONTH', 1, 'IN_ARREARS', now())""",
    """insert into subscriptions (organization_id, id, customer_id, plan_id, status, quantity, started_at,
         billing_anchor, metadata, version, created_at, updated_at)
       values ($1, $1, $1, $1, 'ACTIVE', 2, '2026-08-01Z', '2026-08-01Z', '{}', 1, now(), now())""",
    """insert into invoices (organization_id, id, customer_id, subscription_id, status, payment_state, reason,
         period_start, period_end, currency, subtotal_minor, discount_minor, tax_minor, total_minor, amount_paid_minor,
         number, finalized_at, metadata, version, created_at, updated_at)
       values ($1, $1, $1, $1, 'FINALIZED', 'UNPAID', 'PERIOD', '2026-08-01Z', '2026-09-01Z', 'USD', 6200, 0, 0, 6200,
         0, 'INV-2026-0001', now(), '{}', 1, now(), now())""",
    """insert into invoice_line_items (organization_id, id, invoice_id, kind, description, quantity, unit_price,
         amount_minor, currency, period_start, period_end, sort_order, plan_id, explanation)
       values ($1, $1, $1, 'BASE_FEE', 'Pro: base fee', 2, 3100, 6200, 'USD', '2026-08-01Z', '2026-09-01Z', 0, $1, '{}')
    """,
    """insert into audit_records (organization_id, id, action, outcome, record_id, principal_kind, principal,
         request_id, changes, created_at)
       select $1, gen_random_uuid(), action, 'ALLOWED', $1, 'API_KEY', 'Zork (é)', 'request', changes,
         now() - number * interval '1 hour'
       from (values ('invoice_line_item.add', '[{"field": "amount", "after": 6200}]'::jsonb, 2),
                    ('organization.update', '[{"field": "legal_name", "after": "Old \u00ef Inc"}]', 1),
                    ('invoice.void', '[{"field": "reason", "after": null}]', 3)) as old (action, changes, number)""",
    """insert into idempotency_records (organization_id, principal_id, field, key, fingerprint, document, answer,
         created_at)
       values ($1, $1, 'organizationUpdate', 'once', sha256('a'), sha256('b'), '{"document":"OLD \\"4711\\""}',
         now())""",
    """insert into invoice_line_items (organization_id, id, invoice_id, kind, description, feature_key, quantity,
         amount_minor, currency, period_start, period_end, sort_order, plan_id, explanation)
       values ($1, gen_random_uuid(), $1, 'USAGE', 'Calls: 7', 'calls', 7, 0, 'USD', '2026-08-01Z', '2026-09-01Z', 1,
         $1, '{"used": "7.5"}')""",
    "insert into invoice_numbers values ($1, 2026, 1)",
    "insert into ledgers (organization_id, id, name, status, last_sequence, created_at)"
    " values ($1, $1, 'billing', 'ACTIVE', 0, now())",
)


class Server(Protocol):
    """A PostgreSQL server."""

    admin_url: str

    def url(self, database: str, user: str | None = None) -> str: ...


@pytest.fixture
async def name(server: Server, template: str) -> AsyncIterator[str]:
    """The name of a database at the revision from before, with nothing in it."""
    made = f"test_{uuid.uuid4().hex[:12]}"
    administrator = await asyncpg.connect(server.admin_url)
    await administrator.execute(f"create database {made}")
    await migrate(server.url(made))
    await migrate(server.url(made), BEFORE)
    yield made
    await administrator.execute(f"drop database {made} with (force)")
    await administrator.close()


async def test_what_was_billed_stays_billed_and_the_rest_falls_due(server: Server, name: str) -> None:
    """August was billed before, September and October are billed by the first run; the audit records become a chain."""
    organization_id = uuid.uuid4()
    administrator = await asyncpg.connect(server.url(name))
    await administrator.execute("set session_replication_role = replica")
    for statement in OLD_ROWS:
        await administrator.execute(statement, organization_id)
    await migrate(server.url(name))
    pool = ConnectionPool(server.url(name, APP), size=1)
    await pool.open()
    try:
        database = Database(pool, vault=Vault(MasterKeys.from_text(MASTER_KEY)))
        for _ in range(2):
            await seal_what_is_plain(SystemDatabase(pool), database)
        tenant = database.tenant(organization_id, Actor("SYSTEM", "test", "test"))
        async with tenant.read() as tx:
            assert await load_legal_documents(tx, organization_id, [organization_id]) == {organization_id: DOCUMENT}
        async with tenant.read() as tx:
            chained = await verify_audit(tx)
        summary = await run_billing(tenant)
        async with tenant.read() as tx:
            went_on = await verify_audit(tx)
    finally:
        await pool.close()
    assert (summary.invoices, summary.failures) == (2, ())
    assert (chained.intact, chained.links) == (True, 4)
    assert (went_on.intact, went_on.links) == (True, 7)
    assert await administrator.fetchval("select legal_document from organizations") is None
    assert await administrator.fetchval("select answer from idempotency_records") == '{"document":"****"}'
    types = await administrator.fetch("select record_type from audit_records order by sequence limit 3")
    assert [row["record_type"] for row in types] == ["invoice", "invoice", "organization"]
    counts = await administrator.fetchval("select covers -> 'counts' from invoices where number = 'INV-2026-0001'")
    (count,) = json.loads(counts)
    assert (count["feature"], count["quantity"], count["times"], count["periodStart"][:10]) == (
        "calls",
        "7.5",
        1,
        "2026-08-01",
    )
    found = await administrator.fetch("select number, period_start, total_minor from invoices order by period_start")
    await administrator.close()
    assert [tuple(row) for row in found] == [
        (f"INV-2026-{number:04d}", datetime(2026, month, 1, tzinfo=UTC), 6200)
        for number, month in ((1, 8), (2, 9), (3, 10))
    ]
