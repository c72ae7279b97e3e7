"""Drafts are hidden from whoever lacks invoice:draft, on every way to an invoice (E3)."""

import pytest

from app.domain.role import SCOPES_OF, Role
from tests.caller import Caller, Founder
from tests.operations.steps import codes, draft, finalized, plan, subscription

EVERYWHERE = """query($invoice: ID!, $line: ID!, $customer: ID!, $subscription: ID!) {
  byId: invoice(id: $invoice) { id }
  node(id: $invoice) { id }
  nodes(ids: [$invoice, $line]) { id }
  line: node(id: $line) { id }
  invoices { nodes { status } totalCount pageInfo { hasNextPage } }
  drafts: invoices(filter: {status: [DRAFT, VOID]}) { nodes { status } totalCount }
  byTotal: invoices(orderBy: {field: TOTAL, direction: ASC}) { nodes { status } }
  customer(id: $customer) { invoices { nodes { status } totalCount edges { node { status } } } }
  subscription(id: $subscription) { invoices { nodes { status } totalCount } }
}"""


def seen(role: Role) -> bool:
    return "invoice:draft" in SCOPES_OF[role]


@pytest.mark.parametrize("role", [role for role in Role if "invoice:read" in SCOPES_OF[role]])
async def test_a_draft_is_nowhere_for_those_who_may_not_see_it(owner: Caller, founder: Founder, role: Role) -> None:
    """List, node, number, nested lists and every count: as if neither the draft nor the voided draft were there."""
    await plan(owner)
    subscription_id = await subscription(owner)
    made = await owner.change(
        "invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id customer { id } lineItems { id } }"
    )
    invoice = made["invoice"]
    await owner.change("invoiceVoid", {"invoiceId": await draft(owner, 7)}, "invoice { id }")
    await finalized(owner, 70)
    colleague = await founder.colleague(owner, role)
    found = await colleague.data(
        EVERYWHERE,
        invoice=invoice["id"],
        line=invoice["lineItems"][0]["id"],
        customer=invoice["customer"]["id"],
        subscription=subscription_id,
    )
    shown = {"id": invoice["id"]} if seen(role) else None
    line = {"id": invoice["lineItems"][0]["id"]} if seen(role) else None
    assert (found["byId"], found["node"], found["line"], found["nodes"]) == (shown, shown, line, [shown, line])
    everything = ["FINALIZED", "VOID", "DRAFT"] if seen(role) else ["FINALIZED"]
    for listed in (found["invoices"], found["customer"]["invoices"]):
        assert [node["status"] for node in listed["nodes"]] == everything
        assert listed["totalCount"] == len(everything)
    assert [edge["node"]["status"] for edge in found["customer"]["invoices"]["edges"]] == everything
    assert sorted(node["status"] for node in found["byTotal"]["nodes"]) == sorted(everything)
    assert found["drafts"]["totalCount"] == len(found["drafts"]["nodes"]) == (2 if seen(role) else 0)
    assert found["subscription"]["invoices"]["totalCount"] == int(seen(role))


async def test_an_adjustment_does_not_betray_a_draft(owner: Caller) -> None:
    """A draft cannot be named on the statement: it is not found, like one that is not there."""
    given = {"amount": 7, "currency": "USD", "description": "x"}
    for invoice_id in (await draft(owner, 7), "inv_01h455vb4pex5vsknk084sn02q"):
        payload = await owner.attempt("ledgerAdjust", {**given, "invoiceId": invoice_id}, "ledgerEntry { id }")
        assert codes(payload) == ["NOT_FOUND"]
