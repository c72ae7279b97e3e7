"""How stories are told: the clock moves on, invoices and statements are read back as rows."""

from typing import Any

from tests.caller import Caller

INVOICES = """query($subscription: ID) {
  invoices(first: 100, filter: {subscriptionId: $subscription}, orderBy: {field: CREATED_AT, direction: ASC}) {
    nodes {
      number status reason notes finalizedAt period { start end } total { amount currency } amountDue { amount }
      lineItems { kind description quantity amount { amount } period { start end } explanation { used billable } }
    } } }"""


async def advance(caller: Caller, to: str) -> None:
    """Move the clock."""
    await caller.change("testClockAdvance", {"to": to}, "organization { testClock }")


async def invoices(caller: Caller, subscription_id: str | None = None) -> list[dict[str, Any]]:
    """The invoices, the oldest first."""
    return (await caller.data(INVOICES, subscription=subscription_id))["invoices"]["nodes"]


def lines(invoice: dict[str, Any]) -> list[tuple[str, int]]:
    """The kinds and amounts of an invoice's lines."""
    return [(line["kind"], line["amount"]["amount"]) for line in invoice["lineItems"]]


def days(period: dict[str, str]) -> str:
    """A period of UTC midnights, short: "2026-05-01 > 2026-06-01"; what is no midnight stays whole."""
    return " > ".join(period[end].removesuffix("T00:00:00Z") for end in ("start", "end"))


def told(found: list[dict[str, Any]]) -> list[tuple[str, str, list[tuple[str, int]]]]:
    """The reason, period and lines of each invoice."""
    return [(invoice["reason"], days(invoice["period"]), lines(invoice)) for invoice in found]


async def statement(caller: Caller) -> list[tuple[str, int, int]]:
    """The statement's types, amounts (debits positive) and running balances, the oldest first."""
    document = (
        "{ ledgerEntries(last: 100) { nodes { type debit { amount } credit { amount } runningBalance { amount } } } }"
    )
    found = (await caller.data(document))["ledgerEntries"]["nodes"]
    return [
        (entry["type"], entry["debit"]["amount"] - entry["credit"]["amount"], entry["runningBalance"]["amount"])
        for entry in reversed(found)
    ]


async def status(caller: Caller, subscription_id: str) -> str:
    """Where a subscription is in its life."""
    found = await caller.data("query($id: ID!) { subscription(id: $id) { status } }", id=subscription_id)
    return found["subscription"]["status"]
