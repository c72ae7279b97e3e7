"""A person is forgotten: nothing in the database says who they were, and the books say what they said."""

import asyncpg
import pytest

from app.api.ids import parsed
from app.domain.errors import Invalid, InvalidState, NotFound
from app.operations.customer.erase import erase_customer
from app.operations.ledger.verify import verify_ledger_chain
from app.store.query import new_id
from app.store.tables import metadata
from tests.caller import Caller

WHO = ("Zaphod Beeblebrox", "zaphod@example.com", "zb-42", "Improbability Drive 7", "two heads")


@pytest.fixture
async def customer(owner: Caller) -> str:
    """A customer whose name is in many places: all is over and settled."""
    name, email, external_id, line, note = WHO
    created = {"name": name, "email": email, "externalId": external_id, "metadata": {"note": note}}
    created |= {"address": {"line1": line, "country": "DE"}, "idempotencyKey": "once"}
    select = "customer { id name email externalId address { line1 } metadata }"
    id_ = (await owner.change("customerCreate", created, select))["customer"]["id"]
    await owner.change("customerUpdate", {"customerId": id_, "name": name, "idempotencyKey": "twice"}, select)
    plan = {"key": "pro", "name": "Pro", "currency": "USD", "basePrice": 0}
    made = (await owner.change("planCreate", plan, "plan { id }"))["plan"]["id"]
    await owner.change("planPublish", {"planId": made}, "plan { id }")
    seat = {"planKey": "pro", "customerId": id_, "metadata": {"who": name}}
    subscription = (await owner.change("subscriptionCreate", seat, "subscription { id }"))["subscription"]["id"]
    event = {"eventId": "waits", "meter": "later", "externalCustomerId": external_id, "properties": {"who": name}}
    assert (await owner.change("usageRecord", {"events": [event]}, "unmatched"))["unmatched"] == 1
    cancel = {"subscriptionId": subscription, "reason": "hitch hiked away", "timing": "NOW"}
    await owner.change("subscriptionCancel", cancel, "subscription { id }")
    await owner.change("billingRun", {}, "invoicesGenerated failures { message }")
    invoice = await invoiced(owner, id_)
    await owner.change("invoiceFinalize", {"invoiceId": invoice}, "invoice { id }")
    await owner.change("invoiceMarkPaid", {"invoiceId": invoice}, "invoice { id }")
    return id_


async def invoiced(owner: Caller, customer: str) -> str:
    invoice = (await owner.change("invoiceGenerate", {"customerId": customer}, "invoice { id }"))["invoice"]["id"]
    line = {"invoiceId": invoice, "description": "Work", "unitPrice": "4711"}
    await owner.change("invoiceLineItemAdd", line, "invoice { id }")
    return invoice


async def rows_with(administrator: asyncpg.Connection, owner: Caller, text: str) -> list[str]:
    """The tables in which an organization's rows hold a text."""
    found = []
    for table in sorted(metadata.tables):
        query = (
            f"select count(*) from {table} t where organization_id = $1 and position(lower($2) in lower(t::text)) > 0"
        )
        if await administrator.fetchval(query, parsed(owner.organization_id)[1], text):
            found.append(table)
    return found


async def test_nothing_says_who_it_was(owner: Caller, customer: str, administrator: asyncpg.Connection) -> None:
    """In no row of any table: not in answers that are kept, not in audit records, not in usage that waits (M42)."""
    before = {text: await rows_with(administrator, owner, text) for text in WHO}
    assert before[WHO[0]] == ["customers", "idempotency_records", "subscriptions", "unmatched_usage_events"]
    await erase_customer(owner.database, parsed(customer)[1])
    assert {text: await rows_with(administrator, owner, text) for text in WHO} == {text: [] for text in WHO}
    # What somebody wrote as the reason of an action is that action's record.
    assert await rows_with(administrator, owner, "hitch hiked away") == ["audit_records"]


async def test_the_books_stay_as_they_were(owner: Caller, customer: str) -> None:
    """Invoices, entries and balances, and the chain over them; the customer is there, without a name."""
    books = """query($id: ID!) { customer(id: $id) { invoices { nodes { id number status total { amount } } }
        ledgerEntries { nodes { id debit { amount } credit { amount } runningBalance { amount } } } } }"""
    before = await owner.data(books, id=customer)
    assert len(before["customer"]["ledgerEntries"]["nodes"]) == 2
    await erase_customer(owner.database, parsed(customer)[1])
    assert await owner.data(books, id=customer) == before
    assert (await verify_ledger_chain(owner.database)).intact
    who = "query($id: ID!) { customer(id: $id) { name email externalId address { line1 } metadata } }"
    assert (await owner.data(who, id=customer))["customer"] == {
        "name": "Erased customer",
        "email": None,
        "externalId": None,
        "address": None,
        "metadata": {},
    }


async def test_it_is_audited_and_bears_repeating(
    owner: Caller, customer: str, administrator: asyncpg.Connection
) -> None:
    """Each time; a key that was used before still answers, without the name."""
    for _ in range(2):
        await erase_customer(owner.database, parsed(customer)[1])
    records = await administrator.fetchval(
        "select count(*) from audit_records"
        " where organization_id = $1 and record_id = $2 and action = 'customer.erase'",
        parsed(owner.organization_id)[1],
        parsed(customer)[1],
    )
    assert records == 2
    name, email, external_id, line, note = WHO
    created = {"name": name, "email": email, "externalId": external_id, "metadata": {"note": note}}
    created |= {"address": {"line1": line, "country": "DE"}, "idempotencyKey": "once"}
    select = "customer { id name email externalId address { line1 } metadata }"
    again = (await owner.change("customerCreate", created, select))["customer"]
    assert (again["id"], again["name"], again["metadata"]) == (customer, "[erased]", {"note": "[erased]"})


async def test_what_is_not_over_keeps_one(owner: Caller) -> None:
    """It says what: a subscription, a draft, an invoice that is open, a balance."""
    id_ = (await owner.change("customerCreate", {"name": "Trillian"}, "customer { id }"))["customer"]["id"]
    plan = {"key": "pro", "name": "Pro", "currency": "USD", "basePrice": 100}
    made = (await owner.change("planCreate", plan, "plan { id }"))["plan"]["id"]
    await owner.change("planPublish", {"planId": made}, "plan { id }")
    await owner.change("subscriptionCreate", {"planKey": "pro", "customerId": id_}, "subscription { id }")
    await owner.change("invoiceFinalize", {"invoiceId": await invoiced(owner, id_)}, "invoice { id }")
    await invoiced(owner, id_)
    with pytest.raises(InvalidState) as refused:
        await erase_customer(owner.database, parsed(id_)[1])
    assert refused.value.message == (
        "The customer has subscriptions that are not over (1), drafts (1), invoices that are not paid (1),"
        " balances that are not 0 (1): cancel, settle or void them first."
    )
    found = await owner.data("query($id: ID!) { customer(id: $id) { name } }", id=id_)
    assert found["customer"]["name"] == "Trillian"


async def test_whose_customer_it_is(owner: Caller, stranger: Caller, customer: str) -> None:
    """Another organization's is like one that nobody has; the organization itself is none to be erased."""
    for id_ in (parsed(customer)[1], new_id()):
        with pytest.raises(NotFound, match="No customer has this id"):
            await erase_customer(stranger.database, id_)
    found = (await owner.data("{ customers { nodes { id isDefault } } }"))["customers"]["nodes"]
    (default,) = [node["id"] for node in found if node["isDefault"]]
    with pytest.raises(Invalid, match="the organization itself"):
        await erase_customer(owner.database, parsed(default)[1])
