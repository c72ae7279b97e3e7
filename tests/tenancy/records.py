"""A full set of records of one organization, every text of it unmistakably its own."""

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from app.api.ids import ORGANIZATION, SUBSCRIPTION, uuid_of
from app.domain.role import Role
from app.store.allowance import Bucket, lease_points
from app.store.late_usage import Stretch, insert_late
from app.store.tenancy import Actor, Database
from app.store.usage import load_event_of
from app.store.usage_hour import correct_event
from tests.caller import Caller, Founder


@dataclass
class Records:
    """What an organization has: ids as its owner sees them, and the keys and numbers that name records beside them."""

    NODES: ClassVar[dict[str, str]] = {
        "ApiKey": "api_key",
        "TrustedDocument": "trusted_document",
        "AuditRecord": "audit_record",
        "Customer": "customer",
        "Invoice": "finalized",
        "InvoiceLineItem": "draft_line",
        "LedgerEntry": "ledger_entry",
        "Member": "member",
        "Meter": "meter",
        "Organization": "organization",
        "Plan": "plan",
        "Reservation": "reservation",
        "Subscription": "subscription",
        "UsageEvent": "usage_event",
    }
    """Of each type that `node` finds, the record that stands for it."""

    owner: Caller
    mark: str
    amount: int
    customer: str
    default_customer: str
    external_id: str
    meter: str
    meter_key: str
    plan: str
    plan_key: str
    draft_plan: str
    subscription: str
    billed_subscription: str
    paused_subscription: str
    reservation: str
    feature_key: str
    usage_event: str
    event_id: str
    source: str
    draft: str
    draft_line: str
    finalized: str
    paid: str
    number: str
    billed_number: str
    ledger_entry: str
    api_key: str
    trusted_document: str
    member: str
    subject: str
    audit_record: str
    principal: str
    child: str
    child_owner: Caller

    @property
    def organization(self) -> str:
        return self.owner.organization_id

    @property
    def nodes(self) -> dict[str, str]:
        return {name: getattr(self, attribute) for name, attribute in self.NODES.items()}


async def full_organization(founder: Founder, database: Database, mark: str, *, amount: int, spare: int = 0) -> Records:
    """An organization with at least one row in every table, and a child with a customer.

    `mark` is in every text and `amount` in minor units in every price; `spare` finalized invoices more than else.
    """
    owner = await founder.organization(legal_name=f"{mark} Inc")
    await owner.change(
        "organizationUpdate",
        {"legalDocument": f"{mark}-9", "metadata": {"note": f"{mark} metadata"}, "doingBusinessAs": f"{mark} Online"},
        "organization { id }",
    )
    customer = {"name": f"{mark} Customer", "email": f"{mark}@example.com", "externalId": f"{mark}-external"}
    customer |= {"address": {"line1": f"{mark} Street", "country": "DE"}, "metadata": {"note": f"{mark} note"}}
    customer |= {"idempotencyKey": f"{mark}-once"}
    customer_id = await _made(owner, "customerCreate", customer, "customer")
    meter = {"key": f"{mark}-calls", "name": f"{mark} Calls", "unit": f"{mark} calls", "aggregation": "SUM"}
    meter_id = await _made(owner, "meterCreate", meter, "meter")
    plan = _plan(mark, amount)
    plan_id = await _made(owner, "planCreate", plan, "plan")
    await owner.change("planPublish", {"planId": plan_id}, "plan { id }")
    draft_plan = await _made(owner, "planCreate", plan, "plan")
    seat = {"planKey": plan["key"], "customerId": customer_id, "metadata": {"note": f"{mark} seat"}}
    subscription = await _made(owner, "subscriptionCreate", seat, "subscription")
    billed_subscription = await _made(owner, "subscriptionCreate", seat, "subscription")
    paused_subscription = await _made(owner, "subscriptionCreate", seat, "subscription")
    await owner.change("subscriptionPause", {"subscriptionId": paused_subscription}, "subscription { id }")
    await _use(owner, mark, meter["key"], customer["externalId"], subscription, 1 + spare)
    hold = {"feature": f"{mark}-feature", "customerId": customer_id, "quantity": "3", "ttlSeconds": 86_400}
    reservation = await _made(owner, "usageReserve", hold, "reservation")
    paid = await _manual_invoice(owner, mark, amount, customer_id)
    await owner.change("invoiceFinalize", {"invoiceId": paid}, "invoice { id }")
    await owner.change(
        "invoiceMarkPaid", {"invoiceId": paid, "externalReference": f"{mark} transfer"}, "invoice { id }"
    )
    finalized = ""
    for _ in range(1 + spare):
        finalized = await _manual_invoice(owner, mark, amount, customer_id)
        await owner.change("invoiceFinalize", {"invoiceId": finalized}, "invoice { id }")
    billed = await _made(owner, "invoiceGenerate", {"subscriptionId": billed_subscription}, "invoice")
    await owner.change("invoiceFinalize", {"invoiceId": billed}, "invoice { id }")
    draft = await _manual_invoice(owner, mark, amount, customer_id)
    entry = await _made(
        owner,
        "ledgerAdjust",
        {"amount": -amount, "currency": "USD", "description": f"{mark} goodwill", "customerId": customer_id},
        "ledgerEntry",
    )
    document = {"document": f"query {mark.title()} {{ viewer {{ name }} }}", "name": f"{mark} document"}
    trusted = await _made(owner, "trustedDocumentRegister", document, "trustedDocument")
    key = await _made(owner, "apiKeyCreate", {"name": f"{mark} key"}, "apiKey")
    member = {"subject": f"{mark}|subject", "email": f"member@{mark}.example", "role": "billing"}
    member_id = await _made(owner, "memberAdd", member, "member")
    bucket = Bucket(size=1_000, refill=1)
    await lease_points(database, owner.database.organization_id, bucket, needed=1, block=1, returned=0)
    child, child_owner = await _child(founder, database, owner, mark)
    found = await owner.data(
        """
        query($draft: ID!, $finalized: ID!, $billed: ID!) {
          draft: invoice(id: $draft) { lineItems { id } }
          finalized: invoice(id: $finalized) { number }
          billed: invoice(id: $billed) { number }
          usageEvents { nodes { id eventId source } }
          customers { nodes { id isDefault } }
          auditRecords(first: 1) { nodes { id principal } }
        }
        """,
        draft=draft,
        finalized=finalized,
        billed=billed,
    )
    return Records(
        owner=owner,
        mark=mark,
        amount=amount,
        customer=customer_id,
        default_customer=next(node["id"] for node in found["customers"]["nodes"] if node["isDefault"]),
        external_id=customer["externalId"],
        meter=meter_id,
        meter_key=meter["key"],
        plan=plan_id,
        plan_key=plan["key"],
        draft_plan=draft_plan,
        subscription=subscription,
        billed_subscription=billed_subscription,
        paused_subscription=paused_subscription,
        reservation=reservation,
        feature_key=f"{mark}-feature",
        usage_event=found["usageEvents"]["nodes"][0]["id"],
        event_id=found["usageEvents"]["nodes"][0]["eventId"],
        source=found["usageEvents"]["nodes"][0]["source"],
        draft=draft,
        draft_line=found["draft"]["lineItems"][0]["id"],
        finalized=finalized,
        paid=paid,
        number=found["finalized"]["number"],
        billed_number=found["billed"]["number"],
        ledger_entry=entry,
        api_key=key,
        trusted_document=trusted,
        member=member_id,
        subject=member["subject"],
        audit_record=found["auditRecords"]["nodes"][0]["id"],
        principal=found["auditRecords"]["nodes"][0]["principal"],
        child=child,
        child_owner=child_owner,
    )


async def child_of(founder: Founder, database: Database, parent: Caller, name: str) -> Caller:
    """The owner, with a key of its own, of a new child organization."""
    child = await _made(parent, "organizationCreate", {"legalName": name}, "organization")
    inside = database.tenant(uuid_of(ORGANIZATION, child), Actor("SYSTEM", "test", "test"))
    return await founder.colleague(dataclasses.replace(parent, organization_id=child, database=inside), Role.OWNER)


async def _child(founder: Founder, database: Database, owner: Caller, mark: str) -> tuple[str, Caller]:
    child_owner = await child_of(founder, database, owner, f"{mark} Child")
    await _made(child_owner, "customerCreate", {"name": f"{mark} Grandcustomer"}, "customer")
    return child_owner.organization_id, child_owner


async def _made(caller: Caller, field: str, input: dict[str, Any], record: str) -> str:
    payload = await caller.change(field, input, f"{record} {{ id }}")
    return payload[record]["id"]


def _plan(mark: str, amount: int) -> dict[str, Any]:
    price = {"model": "PER_UNIT", "tiers": [{"unitPrice": "0.5"}], "minimum": 1, "maximum": amount}
    feature = {"key": f"{mark}-feature", "name": f"{mark} Feature", "type": "METERED", "meter": f"{mark}-calls"}
    return {
        "key": f"{mark}-plan",
        "name": f"{mark} Plan",
        "description": f"{mark} description",
        "currency": "USD",
        "basePrice": amount,
        "features": [feature | {"included": "10", "price": price}],
    }


async def _use(owner: Caller, mark: str, meter_key: str, external_id: str, subscription: str, wait: int) -> None:
    people = {"key": f"{mark}-people", "name": f"{mark} People", "aggregation": "UNIQUE", "property": "zone"}
    await owner.change("meterCreate", people, "meter { id }")
    event = {"meter": meter_key, "source": f"{mark}-source", "properties": {"zone": f"{mark} zone"}}
    by_value = event | {"meter": people["key"], "eventId": f"{mark}-visit"}
    events = [by_value] + [
        event | {"eventId": f"{mark}-{n}", "externalCustomerId": external_id, "quantity": "7"} for n in range(3)
    ]
    nobody = {"meter": f"{mark}-later", "externalCustomerId": f"{mark}-nobody"}
    waiting = [nobody | {"eventId": f"{mark}-waits-{n}"} for n in range(wait)]
    payload = await owner.change("usageRecord", {"events": [*events, *waiting]}, "accepted unmatched")
    assert (payload["accepted"], payload["unmatched"]) == (4, wait)
    async with owner.database.write() as tx:
        visit = await load_event_of(tx, f"{mark}-source", f"{mark}-visit")
        assert visit is not None
        await correct_event(tx, visit, Decimal(2), f"{mark} reason")
        late = Stretch(visit.occurred_at, visit.occurred_at)
        await insert_late(tx, {uuid_of(SUBSCRIPTION, subscription): late})


async def _manual_invoice(owner: Caller, mark: str, amount: int, customer_id: str) -> str:
    invoice = await _made(owner, "invoiceGenerate", {"customerId": customer_id, "notes": f"{mark} notes"}, "invoice")
    line = {"invoiceId": invoice, "description": f"{mark} work", "unitPrice": str(amount)}
    await owner.change("invoiceLineItemAdd", line, "invoice { id }")
    return invoice
