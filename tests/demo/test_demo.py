"""The demo is a company's books: whole, balanced, and with something of everything in it."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest

from app.demo import DemoOrganization, load_demo
from app.demo.company import DAUGHTER, PARENT, SANDBOX
from app.demo.names import invented_customers
from app.dev import DEMO_SCALE
from app.main import application
from app.settings import Settings
from app.store.connection import ConnectionPool, Timeouts
from app.store.roles import APP
from app.store.tenancy import Database
from app.store.vault.master import MasterKeys
from app.store.vault.vault import Vault
from tests.conftest import CURSOR_SECRET, MASTER_KEY, PEPPER, Server

LIVE = [PARENT.legal_name, DAUGHTER.legal_name]


@dataclass(frozen=True)
class Demo:
    """A small demo, loaded: behind the wall, at the front door, and what was said of its progress and when."""

    organizations: dict[str, DemoOrganization]
    administrator: asyncpg.Connection
    http: httpx.AsyncClient
    progress: list[tuple[float, float]]

    async def by_organization(self, columns: str, table: str, rest: str = "") -> dict[str, list[asyncpg.Record]]:
        """The rows of a table for each organization by its legal name."""
        rows = await self.administrator.fetch(
            f"select o.legal_name, {columns} from {table} t join organizations o using (organization_id) {rest}"
        )
        found: dict[str, list[asyncpg.Record]] = {name: [] for name in self.organizations}
        for row in rows:
            found[row["legal_name"]].append(row)
        return found

    async def ask(self, name: str, query: str, **headers: str) -> dict:
        """What the API answers to an organization's owner."""
        headers["authorization"] = f"Bearer {self.organizations[name].api_key}"
        answer = (await self.http.post("/graphql", json={"query": query}, headers=headers)).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]


async def loaded(url: str, **options: Any) -> list[DemoOrganization]:
    """The demo in a database of its own."""
    pool = ConnectionPool(url, size=4, timeouts=Timeouts(statement=20_000, lock=10_000, idle=20_000))
    await pool.open()
    try:
        database = Database(pool, vault=Vault(MasterKeys.from_text(MASTER_KEY)))
        return await load_demo(database, PEPPER, **options)
    finally:
        await pool.close()


@pytest.fixture(scope="module")
async def demo(server: Server, clone: Callable[[], str]) -> AsyncIterator[Demo]:
    name = clone()
    app_url = server.url(name, APP)
    progress: list[tuple[float, float]] = []
    made = await loaded(app_url, progress=lambda part: progress.append((time.monotonic(), part)), scale=0.1)
    settings = Settings(database_url=app_url, api_key_pepper=PEPPER, cursor_secret=CURSOR_SECRET, master_key=MASTER_KEY)
    app = application(settings)
    administrator = await asyncpg.connect(server.url(name))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://tallygate.test") as http,
    ):
        yield Demo({one.legal_name: one for one in made}, administrator, http, progress)
    await administrator.close()


async def test_three_organizations_stand_with_a_parent_and_its_child_among_them(demo: Demo):
    rows = await demo.administrator.fetch(
        "select o.legal_name, p.legal_name as parent, o.mode, o.default_currency, o.test_clock is not null as has_clock"
        " from organizations o left join organizations p on p.organization_id = o.parent_id order by o.created_at"
    )
    assert [tuple(row) for row in rows] == [
        (PARENT.legal_name, None, "LIVE", "EUR", False),
        (DAUGHTER.legal_name, PARENT.legal_name, "LIVE", "GBP", False),
        (SANDBOX.legal_name, None, "TEST", "JPY", True),
    ]


async def test_a_live_organization_has_invoices_in_every_state(demo: Demo):
    found = await demo.by_organization("t.status, t.payment_state, t.reason, t.total_minor", "invoices")
    for name in LIVE:
        states = {(row["status"], row["payment_state"]) for row in found[name]}
        assert states == {
            ("DRAFT", "UNPAID"),
            ("FINALIZED", "UNPAID"),
            ("FINALIZED", "PARTIALLY_PAID"),
            ("PAID", "PAID"),
            ("VOID", "UNPAID"),
        }
        assert {"PERIOD", "MANUAL"} <= {row["reason"] for row in found[name]}
        assert any(row["total_minor"] == 0 and row["status"] == "PAID" for row in found[name])


async def test_invoice_numbers_are_gapless_and_follow_the_instants(demo: Demo):
    found = await demo.by_organization(
        "t.number, t.finalized_at", "invoices", "where t.number is not null order by t.number"
    )
    for rows in found.values():
        assert rows
        by_year: dict[str, list[asyncpg.Record]] = {}
        for row in rows:
            by_year.setdefault(row["number"][:8], []).append(row)
        for year, numbered in by_year.items():
            assert [row["number"] for row in numbered] == [f"{year}-{n:04}" for n in range(1, len(numbered) + 1)]
            instants = [row["finalized_at"] for row in numbered]
            assert all(later > earlier - timedelta(hours=1) for earlier, later in pairwise(instants))


async def test_what_a_subscription_lived_is_billed_once_and_without_a_gap(demo: Demo):
    rows = await demo.administrator.fetch(
        "select s.id, coalesce(s.trial_end, s.started_at) as started_at, i.period_start, i.period_end"
        " from subscriptions s join invoices i"
        " on i.organization_id = s.organization_id and i.subscription_id = s.id and i.status <> 'VOID'"
        " order by s.id, i.period_start"
    )
    billed_until = {row["id"]: row["started_at"] for row in rows}
    for row in rows:
        assert row["period_start"] == billed_until[row["id"]]
        billed_until[row["id"]] = row["period_end"]
    behind = await demo.administrator.fetchval(
        "select count(*) from subscriptions s where s.started_at < now() - interval '33 days'"
        " and s.plan_id in (select id from plans where interval = 'MONTH') and not exists ("
        "   select from invoices i where i.organization_id = s.organization_id and i.subscription_id = s.id"
        "   and i.period_end >= least(s.cancel_at, now() - interval '33 days'))"
    )
    assert behind == 0


async def test_subscriptions_try_grow_and_rest(demo: Demo):
    """Some began with a trial and pay in advance, some changed their plan in mid-period, some are paused."""
    found = await demo.by_organization("t.trial_end, t.resumes_at > now() as rests", "subscriptions")
    everyone = [row for rows in found.values() for row in rows]
    assert any(row["trial_end"] is not None for row in everyone)
    assert any(row["rests"] for row in everyone)
    phases = await demo.administrator.fetchval("select count(*) from subscription_phases where number > 1")
    assert phases > 0
    kinds = await demo.administrator.fetch("select distinct kind from invoice_line_items where kind = 'PRORATION'")
    assert len(kinds) == 1


async def test_a_receivable_keeps_the_sum_of_its_entries(demo: Demo):
    rows = await demo.administrator.fetch(
        "select a.balance_minor, a.entry_count, sum(e.debit_minor - e.credit_minor) as summed, count(*) as entries,"
        " (array_agg(e.running_balance_minor order by e.sequence desc))[1] as running"
        " from accounts a join ledger_entries e on e.organization_id = a.organization_id"
        " and e.customer_id = a.customer_id and e.currency = a.currency"
        " where a.code = 'RECEIVABLE' group by a.organization_id, a.id"
    )
    assert len(rows) > 20
    for row in rows:
        assert row["balance_minor"] == row["summed"] == row["running"]
        assert row["entry_count"] == row["entries"]
    assert any(row["balance_minor"] < 0 for row in rows)
    assert any(row["balance_minor"] > 0 for row in rows)


async def test_every_ledger_transaction_balances(demo: Demo):
    rows = await demo.administrator.fetch(
        "select t.id, count(e.id) as postings, sum(e.debit_minor - e.credit_minor) as difference,"
        " count(distinct e.currency) as currencies from ledger_transactions t left join ledger_entries e"
        " on e.organization_id = t.organization_id and e.transaction_id = t.id group by t.id"
    )
    assert {(row["postings"], row["difference"], row["currencies"]) for row in rows} <= {(2, 0, 1), (3, 0, 1)}


async def test_usage_has_the_rhythm_of_offices(demo: Demo):
    zone = "o.time_zone"
    found = await demo.by_organization(
        f"extract(hour from t.occurred_at at time zone {zone}) as hour,"
        f" extract(isodow from t.occurred_at at time zone {zone}) as weekday, t.occurred_at, t.recorded_at,"
        " t.subscription_id is null as carried_by_none",
        "usage_events",
    )
    for rows in found.values():
        office, night = range(9, 18), [*range(6), 22, 23]
        by_day = sum(row["hour"] in office for row in rows) / len(office)
        by_night = sum(row["hour"] in night for row in rows) / len(night)
        assert by_day > 10 * by_night
        on_working_days = sum(row["weekday"] <= 5 for row in rows) / 5
        on_weekends = sum(row["weekday"] > 5 for row in rows) / 2
        assert on_working_days > 1.3 * on_weekends
        assert all(timedelta() <= row["recorded_at"] - row["occurred_at"] <= timedelta(hours=26) for row in rows)
        assert not any(row["carried_by_none"] for row in rows)


async def test_all_kinds_of_meters_have_usage(demo: Demo):
    found = await demo.by_organization(
        "m.aggregation", "usage_events", "join meters m on m.organization_id = t.organization_id and m.id = t.meter_id"
    )
    assert {row["aggregation"] for row in found[PARENT.legal_name]} == {"SUM", "COUNT", "UNIQUE", "MAX", "LATEST"}


async def test_plans_have_versions_that_are_archived_open_and_in_preparation(demo: Demo):
    found = await demo.by_organization("t.key, t.version, t.status", "plans", "order by t.key, t.version")
    for rows in found.values():
        assert [(row["version"], row["status"]) for row in rows if row["key"] == "team"] == [
            (1, "ARCHIVED"),
            (2, "ACTIVE"),
            (3, "DRAFT"),
        ]


async def test_the_keys_open_their_organizations_over_http(demo: Demo):
    query = """{
      viewer { role organization { id legalName } }
      balances { amount currency }
      customers(first: 3) { totalCount nodes { name email address { city country } } }
      invoices(first: 3) { nodes { number status lineItems { description explanation { rounding } } } }
    }"""
    for name, organization in demo.organizations.items():
        data = await demo.ask(name, query)
        assert data["viewer"]["organization"] == {"id": organization.organization_id, "legalName": name}
        assert data["customers"]["totalCount"] > 5
        assert len(data["invoices"]["nodes"]) == 3
        assert data["balances"]


async def test_the_parents_owner_enters_the_child(demo: Demo):
    child = demo.organizations[DAUGHTER.legal_name]
    data = await demo.ask(
        PARENT.legal_name, "{ organization { legalName } }", **{"x-organization-id": child.organization_id}
    )
    assert data == {"organization": {"legalName": DAUGHTER.legal_name}}


def test_the_progress_is_told_every_second_up_to_the_whole(demo: Demo):
    parts = [part for _, part in demo.progress]
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    instants = [instant for instant, _ in demo.progress]
    assert max(later - earlier for earlier, later in pairwise(instants)) < 1


def test_customers_are_invented_alike_every_time_and_reachable_at_example_domains_alone():
    def invented() -> list:
        return list(invented_customers(PARENT.countries, 150, id_prefix="X", currency=None, random=Random(7)))

    customers = invented()
    assert customers == invented()
    assert len({customer.name for customer in customers}) == 150
    assert {customer.email.split("@")[1] for customer in customers if customer.email} == {"example.com", "example.org"}


async def test_it_can_be_told_where_an_invoice_comes_to_nothing(server: Server, clone: Callable[[], str]) -> None:
    """As `tallygate dev` tells it. Which ones do depends on the hour: at this one, one of those is to be paid."""
    now = datetime(2026, 11, 26, 15, 8, tzinfo=UTC)
    made = await loaded(server.url(clone(), APP), progress=lambda _: None, scale=DEMO_SCALE, now=now)
    assert len(made) == 3
