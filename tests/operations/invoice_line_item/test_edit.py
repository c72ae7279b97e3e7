"""invoice_line_item.add and invoice_line_item.remove: the lines of a draft."""

import asyncio
from typing import Any

import pytest

from tests.caller import Caller
from tests.operations.steps import codes, draft, invoice_in, refusal

SELECT = """invoice { version subtotal { amount } discount { amount } tax { amount } total { amount }
lineItems { id kind description quantity unitPrice amount { amount } sortOrder period { start }
explanation { exact rounding used plan { id } steps { quantity unitPrice amount } } } }"""


def totals(invoice: dict[str, Any]) -> tuple[int, ...]:
    return tuple(invoice[name]["amount"] for name in ("subtotal", "discount", "tax", "total"))


@pytest.mark.parametrize(
    ("quantity", "unit_price", "kind", "amount"),
    [
        (None, "700", "MANUAL", 700),
        ("3", "0.5", "MANUAL", 2),  # 1.5, half away from zero
        ("-3", "0.5", "DISCOUNT", -2),  # its mirror (M7)
        ("1", "-0.5", "DISCOUNT", -1),
        ("1", "0.5", "MANUAL", 1),
        ("-2", "-0.5", "MANUAL", 1),
        ("1", "0.499999999999", "MANUAL", 0),
        ("0", "700", "MANUAL", 0),
        ("0.333333333333", "3", "MANUAL", 1),
        ("1", "9007199254740991", "MANUAL", 9007199254740991),
    ],
)
async def test_a_line_by_hand_is_quantity_times_price_rounded_once(
    owner: Caller, quantity: str | None, unit_price: str, kind: str, amount: int
) -> None:
    """Negative is a discount; +0.5 and -0.5 mirror each other (M7)."""
    line = {"invoiceId": await draft(owner), "description": "By hand", "unitPrice": unit_price}
    line |= {} if quantity is None else {"quantity": quantity}
    invoice = (await owner.change("invoiceLineItemAdd", line, SELECT))["invoice"]
    (made,) = invoice["lineItems"]
    assert (made["kind"], made["amount"]["amount"], made["unitPrice"]) == (kind, amount, unit_price)
    assert (made["explanation"]["plan"], made["period"]) == (None, None)
    expected = (0, -amount, 0, amount) if kind == "DISCOUNT" else (amount, 0, 0, amount)
    assert totals(invoice) == expected


async def test_totals_follow_each_line(owner: Caller) -> None:
    """Subtotal, discount and total are taken anew with each line added and removed; the version grows each time."""
    invoice_id = await draft(owner, 1000, 200, -30)
    read = f"query($id: ID!) {{ {SELECT.replace('invoice', 'invoice(id: $id)', 1)} }}"
    invoice = (await owner.data(read, id=invoice_id))["invoice"]
    assert (totals(invoice), invoice["version"]) == ((1200, 30, 0, 1170), 4)
    assert [line["sortOrder"] for line in invoice["lineItems"]] == [0, 1, 2]
    removal = {"invoiceId": invoice_id, "lineItemId": invoice["lineItems"][1]["id"], "expectedVersion": 4}
    invoice = (await owner.change("invoiceLineItemRemove", removal, SELECT))["invoice"]
    assert (totals(invoice), invoice["version"]) == ((1000, 30, 0, 970), 5)
    assert [line["sortOrder"] for line in invoice["lineItems"]] == [0, 2]
    added = {"invoiceId": invoice_id, "description": "Last", "unitPrice": "7", "expectedVersion": 5}
    invoice = (await owner.change("invoiceLineItemAdd", added, SELECT))["invoice"]
    assert [line["description"] for line in invoice["lineItems"]] == ["Line 0", "Line 2", "Last"]
    assert totals(invoice) == (1007, 30, 0, 977)


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"description": ""}, "INVALID", "description"),
        ({"description": "x" * 501}, "INVALID", "description"),
        ({"unitPrice": "0.1234567890123"}, "INVALID", "unitPrice"),
        ({"quantity": "0.1234567890123"}, "INVALID", "quantity"),
        ({"unitPrice": "9007199254740992"}, "INVALID", "unitPrice"),
        ({"unitPrice": "9" * 24}, "INVALID", "unitPrice"),
        ({"quantity": "9" * 24}, "INVALID", "quantity"),
        ({"quantity": "2", "unitPrice": "9007199254740991"}, "INVALID", "unitPrice"),
        ({"expectedVersion": 7}, "VERSION_CONFLICT", "expectedVersion"),
        ({"invoiceId": "inv_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "invoiceId"),
    ],
)
async def test_a_line_that_breaks_a_rule_is_not_added(
    owner: Caller, given: dict[str, Any], code: str, path: str
) -> None:
    """The draft stays as it was."""
    invoice_id = await draft(owner, 7)
    line = {"invoiceId": invoice_id, "description": "By hand", "unitPrice": "700", **given}
    assert refusal(await owner.attempt("invoiceLineItemAdd", line, "invoice { id }")) == (code, path)
    read = "query($id: ID!) { invoice(id: $id) { version total { amount } lineItems { id } } }"
    kept = (await owner.data(read, id=invoice_id))["invoice"]
    assert (kept["version"], kept["total"]["amount"], len(kept["lineItems"])) == (2, 7, 1)


async def test_a_total_beyond_the_bounds_is_refused(owner: Caller) -> None:
    """Two lines of 2^53-1 each do not fit one invoice (M4)."""
    invoice_id = await draft(owner, 2**53 - 1)
    line = {"invoiceId": invoice_id, "description": "One more", "unitPrice": "1"}
    assert codes(await owner.attempt("invoiceLineItemAdd", line, "invoice { id }")) == ["INVALID"]


async def test_only_the_lines_of_that_draft_are_removed(owner: Caller, stranger: Caller) -> None:
    """Another invoice's line, another organization's, an unknown and a malformed id are not found alike."""
    invoice_id, other = await draft(owner, 7), await draft(owner, 70)
    foreign = await draft(stranger, 700)
    read = "query($id: ID!) { invoice(id: $id) { lineItems { id } } }"
    lines = [
        (await owner.data(read, id=other))["invoice"]["lineItems"][0]["id"],
        (await stranger.data(read, id=foreign))["invoice"]["lineItems"][0]["id"],
        "ili_01h455vb4pex5vsknk084sn02q",
        "xyzzy",
    ]
    for line_id in lines:
        removal = {"invoiceId": invoice_id, "lineItemId": line_id}
        assert refusal(await owner.attempt("invoiceLineItemRemove", removal, "invoice { id }")) == (
            "NOT_FOUND",
            "lineItemId",
        )


@pytest.mark.parametrize("status", ["FINALIZED", "PAID", "VOID"])
async def test_the_lines_of_what_is_no_draft_are_locked(owner: Caller, status: str) -> None:
    """Neither added nor removed once it is finalized."""
    invoice_id = await invoice_in(owner, status)
    read = "query($id: ID!) { invoice(id: $id) { lineItems { id } } }"
    line_id = (await owner.data(read, id=invoice_id))["invoice"]["lineItems"][0]["id"]
    added = {"invoiceId": invoice_id, "description": "x", "unitPrice": "1"}
    assert codes(await owner.attempt("invoiceLineItemAdd", added, "invoice { id }")) == ["INVALID_STATE"]
    removed = {"invoiceId": invoice_id, "lineItemId": line_id}
    assert codes(await owner.attempt("invoiceLineItemRemove", removed, "invoice { id }")) == ["INVALID_STATE"]


async def test_ten_who_add_a_line_at_once_add_ten(owner: Caller) -> None:
    """None is lost and none shares a place; with the version expected, one is added and nine conflict."""
    invoice_id = await draft(owner)
    line = {"invoiceId": invoice_id, "description": "x", "unitPrice": "7"}
    await asyncio.gather(*(owner.change("invoiceLineItemAdd", line, "invoice { id }") for _ in range(10)))
    read = "query($id: ID!) { invoice(id: $id) { version total { amount } lineItems { sortOrder } } }"
    found = (await owner.data(read, id=invoice_id))["invoice"]
    assert (found["version"], found["total"]["amount"]) == (11, 70)
    assert [each["sortOrder"] for each in found["lineItems"]] == list(range(10))
    expecting = {**line, "expectedVersion": 11}
    answers = await asyncio.gather(
        *(owner.attempt("invoiceLineItemAdd", expecting, "invoice { id }") for _ in range(10))
    )
    assert sorted(codes(answer) for answer in answers) == [[]] + [["VERSION_CONFLICT"]] * 9
