"""A plan reads the columns that its document asks for."""

import re
from typing import Any

import pytest

from app.api.execution.attributes import attributes_read
from app.store.transaction import Transaction
from tests.caller import Caller
from tests.operations.steps import finalized


def plain(row: Any) -> Any:
    return row.total_minor - row.amount_paid_minor if row.status == "FINALIZED" else 0


def handed_on(row: Any) -> Any:
    return plain(row), row.status


def renamed(row: Any) -> Any:
    other = row
    return other.status


def test_the_attributes_of_a_resolver_are_found_in_its_source() -> None:
    """All of them, wherever they stand."""
    assert attributes_read(plain, "row") == {"total_minor", "amount_paid_minor", "status"}


@pytest.mark.parametrize("function", [handed_on, renamed, eval("lambda row: row.status"), len])
def test_where_more_is_done_with_the_row_or_there_is_no_source_nothing_is_said(function: Any) -> None:
    """Then all columns are read."""
    assert attributes_read(function, "row") is None


@pytest.mark.parametrize(
    ("selection", "read", "left"),
    [
        ("nodes { number }", ["number", "organization_id"], ["notes", "total_minor", "currency"]),
        ("nodes { id number }", ["id", "number"], ["notes", "total_minor"]),
        ("nodes { total { amount } }", ["total_minor"], ["number", "currency"]),
        ("nodes { total { amount currency } }", ["total_minor", "currency"], ["number"]),
        ("nodes { number } pageInfo { endCursor }", ["number", "created_at"], ["notes"]),
        ("edges { cursor node { number } }", ["number", "created_at"], ["notes"]),
        ("nodes { lineItems { description } }", ["id"], ["number"]),
        ("nodes { amountDue { amount } }", ["total_minor", "amount_paid_minor", "status"], ["number"]),
    ],
)
async def test_a_list_reads_what_is_asked_of_its_rows(
    owner: Caller, monkeypatch: pytest.MonkeyPatch, selection: str, read: list[str], left: list[str]
) -> None:
    """And what tells whose they are; the attributes of its order where cursors are asked for."""
    await finalized(owner, 7)
    statements: list[str] = []
    fetch = Transaction.fetch

    async def seen(self: Transaction, query: Any, **parameters: Any) -> Any:
        statements.append(query.sql)
        return await fetch(self, query, **parameters)

    monkeypatch.setattr(Transaction, "fetch", seen)
    data = await owner.data(f"{{ invoices(first: 3) {{ {selection} }} }}")
    assert data["invoices"]
    (statement,) = [each for each in statements if " FROM invoices" in " ".join(each.split())]
    columns = set(re.findall(r"invoices\.(\w+)", statement.split("FROM")[0]))
    assert columns >= set(read)
    assert columns.isdisjoint(left)
