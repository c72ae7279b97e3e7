"""What stories begin with: a catalog, a subscription, invoices, events; a clock to set; all rows at a glance."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg

from app.store.tables import TENANT_TABLES
from app.store.tenancy import Actor, Database, TenantDatabase
from tests.caller import Caller

TEST_ACTOR = Actor("SYSTEM", "test", "test")


def instant(text: str) -> datetime:
    """The instant that RFC 3339 writes so."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def codes(payload: Mapping[str, Any]) -> list[str]:
    """Why a mutation was refused."""
    return [error["code"] for error in payload["userErrors"]]


def refusal(payload: Mapping[str, Any]) -> tuple[str, str]:
    """The one refusal's code and the last step of its path."""
    (error,) = payload["userErrors"]
    return error["code"], error["path"][-1]


def database_of(database: Database, caller: Caller, at: datetime | None = None) -> TenantDatabase:
    """Another handle on the caller's organization, with a transaction of its own; `at` in place of its clock."""
    return database.tenant(caller.database.organization_id, TEST_ACTOR, at)


async def set_clock(administrator: asyncpg.Connection, caller: Caller, now: str) -> None:
    """Set a TEST organization's clock."""
    await administrator.execute(
        "update organizations set test_clock = $2 where organization_id = $1",
        caller.database.organization_id,
        instant(now),
    )


async def meter(caller: Caller, key: str = "calls", aggregation: str = "SUM", **more: Any) -> str:
    """A meter's id."""
    made = await caller.change(
        "meterCreate", {"key": key, "name": key, "aggregation": aggregation, **more}, "meter { id }"
    )
    return made["meter"]["id"]


def soft_quota(meter_key: str, included: str = "0", unit_price: str = "1", key: str | None = None) -> dict[str, Any]:
    """A feature whose overage is billed at one price."""
    return {
        "key": key or meter_key,
        "name": meter_key,
        "type": "QUOTA",
        "enforcement": "SOFT",
        "meter": meter_key,
        "included": included,
        "price": {"model": "PER_UNIT", "tiers": [{"unitPrice": unit_price}]},
    }


def hard_quota(meter_key: str, included: str, key: str | None = None) -> dict[str, Any]:
    """A feature that ends at its limit."""
    return {
        "key": key or meter_key,
        "name": meter_key,
        "type": "QUOTA",
        "enforcement": "HARD",
        "meter": meter_key,
        "included": included,
    }


async def plan(caller: Caller, key: str = "pro", base_price: int = 9900, *features: Any, **more: Any) -> str:
    """A published plan version's id."""
    new = {"key": key, "name": key, "currency": "USD", "basePrice": base_price, "features": list(features), **more}
    made = await caller.change("planCreate", new, "plan { id }")
    await caller.change("planPublish", {"planId": made["plan"]["id"]}, "plan { id }")
    return made["plan"]["id"]


async def subscription(caller: Caller, plan_key: str = "pro", **more: Any) -> str:
    """A subscription's id."""
    made = await caller.change("subscriptionCreate", {"planKey": plan_key, **more}, "subscription { id }")
    return made["subscription"]["id"]


async def customer(caller: Caller, name: str = "Plugh GmbH", **more: Any) -> str:
    """A customer's id."""
    made = await caller.change("customerCreate", {"name": name, **more}, "customer { id }")
    return made["customer"]["id"]


async def draft(caller: Caller, *amounts: int, **more: Any) -> str:
    """The id of a draft with a line by hand for each amount."""
    made = await caller.change("invoiceGenerate", more, "invoice { id }")
    for number, amount in enumerate(amounts):
        line = {"invoiceId": made["invoice"]["id"], "description": f"Line {number}", "unitPrice": str(amount)}
        await caller.change("invoiceLineItemAdd", line, "invoice { id }")
    return made["invoice"]["id"]


async def finalized(caller: Caller, *amounts: int, **more: Any) -> str:
    """The id of an invoice that was finalized."""
    invoice_id = await draft(caller, *amounts, **more)
    await caller.change("invoiceFinalize", {"invoiceId": invoice_id}, "invoice { number }")
    return invoice_id


async def invoice_in(caller: Caller, status: str) -> str:
    """The id of an invoice of 700 in that status."""
    invoice_id = await draft(caller, 700)
    for field in {"DRAFT": [], "FINALIZED": ["invoiceFinalize"], "PAID": ["invoiceFinalize", "invoiceMarkPaid"]}.get(
        status, ["invoiceFinalize", "invoiceVoid"]
    ):
        await caller.change(field, {"invoiceId": invoice_id}, "invoice { id }")
    return invoice_id


async def send(caller: Caller, *events: Mapping[str, Any]) -> list[str]:
    """Send events and give what became of each; `eventId` counts up where it is left out."""
    numbered = [{"eventId": f"event-{number}", **event} for number, event in enumerate(events)]
    sent = await caller.change("usageRecord", {"events": numbered}, "results(all: true) { verdict message }")
    return [result["verdict"] for result in sent["results"]]


async def fingerprint(administrator: asyncpg.Connection, caller: Caller) -> dict[str, str]:
    """A checksum of every table's rows of an organization and its children, past row security.

    Neither a key's last use counts as a change, nor that something was denied.
    """
    whose = "(select organization_id from organizations where organization_id = $1 or parent_id = $1)"
    found = {}
    for table in TENANT_TABLES:
        if table.name == "audit_chains":
            continue
        kept = "t.outcome <> 'DENIED'" if table.name == "audit_records" else "true"
        found[table.name] = await administrator.fetchval(
            "select count(*) || ' ' || coalesce(md5(string_agg(md5(row::text), '' order by row::text)), '')"
            " from (select to_jsonb(t) - 'last_used_at' as row"
            f" from {table.name} t where organization_id in {whose} and {kept}) as rows",
            caller.database.organization_id,
        )
    return found


ENTITLEMENT = "allowed reason limit used reserved remaining resetsAt subscription { id } plan { id }"


async def entitlement(caller: Caller, feature: str = "calls", select: str = ENTITLEMENT, **more: Any) -> dict[str, Any]:
    """What a caller is told of a feature."""
    declared = {"customerId": "ID", "quantity": "Decimal!"}
    variables = "".join(f", ${name}: {declared[name]}" for name in more)
    arguments = "".join(f", {name}: ${name}" for name in more)
    document = f"query($feature: String!{variables}) {{ entitlement(feature: $feature{arguments}) {{ {select} }} }}"
    return (await caller.data(document, feature=feature, **more))["entitlement"]


def levels(answer: Mapping[str, Any]) -> tuple[str, str, str]:
    """How an entitlement stands: used, reserved, remaining."""
    return answer["used"], answer["reserved"], answer["remaining"]


async def reserved(caller: Caller, quantity: str = "1", feature: str = "calls", **more: Any) -> str:
    """The id of a reservation that is held."""
    made = await caller.change("usageReserve", {"feature": feature, "quantity": quantity, **more}, "reservation { id }")
    return made["reservation"]["id"]
