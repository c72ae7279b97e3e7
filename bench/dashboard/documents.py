"""What is asked, and what of an answer is compared."""

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson

DASHBOARD = """
query Dashboard {
  organization { legalName timeZone }
  balances { amount currency }
  subscriptions(first: 10) {
    nodes { status quantity plan { key name version interval basePrice { amount } } }
  }
  invoices(first: 50) {
    nodes {
      number status paymentState total { amount }
      lineItems { description quantity amount { amount } }
      ledgerEntries(first: 3) { nodes { type debit { amount } credit { amount } } }
    }
  }
}
"""

DASHBOARD_OF_TABLES = """
query Dashboard {
  allOrganizations { nodes { legalName timeZone } }
  owed { nodes { amount currency } }
  allAgreements(first: 10, orderBy: [CREATED_AT_DESC, ROW_ID_DESC]) {
    nodes {
      status quantity
      planByOrganizationIdAndPlanId { key name version interval basePriceMinor }
    }
  }
  allInvoices(first: 50, orderBy: [CREATED_AT_DESC, ROW_ID_DESC]) {
    nodes {
      number status paymentState totalMinor
      invoiceLineItemsByOrganizationIdAndInvoiceId(orderBy: SORT_ORDER_ASC) {
        nodes { description quantity amountMinor }
      }
      statementEntriesByOrganizationIdAndInvoiceId(first: 3, orderBy: [CREATED_AT_DESC, SEQUENCE_DESC, ROW_ID_DESC]) {
        nodes { type debitMinor creditMinor }
      }
    }
  }
}
"""
"""The same values by the names that PostGraphile gives them."""

ENTITLEMENT = "query Entitlement($feature: String!) { entitlement(feature: $feature) { allowed reason remaining } }"
INVOICE = "query Invoice($id: ID!) { invoice(id: $id) { number status dueAt total { amount } } }"


class WrongAnswer(Exception):
    """An answer is not what it has to be. The message says whose and why."""


def values_in(body: bytes) -> list[str]:
    """The values at the leaves of an answer, as text, in order of themselves: numbers may be strings elsewhere.

    Raises WrongAnswer for an answer with errors.
    """
    answer = orjson.loads(body)
    if answer.get("errors") or not answer.get("data"):
        raise WrongAnswer(body[:500].decode(errors="replace"))
    return sorted(_leaves(answer["data"]))


def data_of(body: bytes) -> Any:
    """What an answer says; what it says beside that, such as its cost, is its server's own."""
    return orjson.loads(body)["data"]


def digest(values: list[str]) -> str:
    """A short name for those values."""
    return hashlib.sha256("\n".join(values).encode()).hexdigest()[:12]


def _leaves(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for part in value.values():
                yield from _leaves(part)
        case list():
            for part in value:
                yield from _leaves(part)
        case _:
            yield str(value)
