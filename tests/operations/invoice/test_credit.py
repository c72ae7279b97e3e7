"""Customer credit: what comes in beyond an invoice, and an invoice below 0, is the customer's (M9, M48)."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from app.api.ids import CUSTOMER, INVOICE, type_id, uuid_of
from app.domain.charge import ChargeLine, LineItemKind, manual_line
from app.domain.invoice import BillingReason, drafted
from app.domain.period import Period
from app.store.invoice import insert_invoices, insert_lines
from app.store.query import new_id
from tests.caller import Caller
from tests.operations.steps import codes, customer, draft, finalized, refusal

SELECT = """invoice { status paymentState number total { amount } amountDue { amount } amountPaid { amount } paidAt
ledgerEntries { nodes { type description debit { amount } credit { amount } runningBalance { amount } } } }"""


async def postings(administrator: asyncpg.Connection, invoice_id: str) -> list[tuple[str, int, int]]:
    """(account, debit, credit) of the last transaction of an invoice."""
    rows = await administrator.fetch(
        """select a.code, e.debit_minor, e.credit_minor from ledger_entries e
        join accounts a on a.organization_id = e.organization_id and a.id = e.account_id
        where e.transaction_id = (select t.transaction_id from ledger_entries t where t.invoice_id = $1
                                  order by t.id desc limit 1) order by e.id""",
        uuid_of(INVOICE, invoice_id),
    )
    return [tuple(row) for row in rows]


def line(kind: LineItemKind, amount: int) -> ChargeLine:
    return replace(manual_line("Rest of a plan", Decimal(1), Decimal(amount)), kind=kind)


async def draft_of(caller: Caller, customer_id: str, *lines: ChargeLine) -> str:
    """A draft as a plan change leaves it, with lines that nobody can write by hand."""
    async with caller.database.write() as tx:
        invoice = drafted(
            invoice_id=new_id(),
            customer_id=UUID(str(uuid_of(CUSTOMER, customer_id))),
            subscription_id=None,
            currency="USD",
            reason=BillingReason.PLAN_CHANGE,
            period=Period(tx.now, tx.now),
            lines=lines,
            notes=None,
        )
        await insert_invoices(tx, [invoice], [None])
        await insert_lines(tx, [(invoice, lines)])
    return type_id(INVOICE, invoice.id)


async def test_what_is_paid_beyond_is_a_posting_of_its_own(tester: Caller, administrator: asyncpg.Connection) -> None:
    """One transaction, three postings: the cash that came in, what was due, and the rest, which is kept as credit."""
    invoice_id = await finalized(tester, 777)
    paid = await tester.change("invoiceMarkPaid", {"invoiceId": invoice_id, "amount": 1277}, SELECT)
    assert paid["invoice"]["status"] == "PAID"
    assert [
        (node["type"], node["description"], node["credit"]["amount"], node["runningBalance"]["amount"])
        for node in paid["invoice"]["ledgerEntries"]["nodes"]
    ] == [
        ("PAYMENT", "Paid beyond INV-2026-0001: kept as credit", 500, -500),
        ("PAYMENT", "Payment of INV-2026-0001", 777, 0),
        ("CHARGE", "Invoice INV-2026-0001", 0, 777),
    ]
    assert await postings(administrator, invoice_id) == [
        ("RECEIVABLE", 0, 777),
        ("CUSTOMER_CREDIT", 0, 500),
        ("CASH", 1277, 0),
    ]
    assert (await tester.data("{ balances { amount } }"))["balances"] == [{"amount": -500}]


async def test_credit_counts_against_what_is_charged_next(tester: Caller) -> None:
    """The statement runs over both accounts: 500 of credit and 700 charged leave 200 owed."""
    await tester.change("invoiceMarkPaid", {"invoiceId": await finalized(tester, 1), "amount": 501}, "invoice { id }")
    await finalized(tester, 700)
    found = await tester.data("{ balances { amount } ledgerEntries { nodes { runningBalance { amount } } } }")
    assert found["balances"] == [{"amount": 200}]
    assert [node["runningBalance"]["amount"] for node in found["ledgerEntries"]["nodes"]] == [200, -500, 0, 1]


@pytest.mark.parametrize("kind", [LineItemKind.PRORATION, LineItemKind.ADJUSTMENT])
async def test_an_invoice_below_0_is_paid_at_once_and_kept_as_credit(
    tester: Caller, administrator: asyncpg.Connection, kind: LineItemKind
) -> None:
    """It has a number, is PAID, and its CREDIT is the customer's: revenue is taken back."""
    customer_id = await customer(tester)
    invoice_id = await draft_of(tester, customer_id, line(kind, -900), line(LineItemKind.PRORATION, 200))
    final = (await tester.change("invoiceFinalize", {"invoiceId": invoice_id}, SELECT))["invoice"]
    assert final == {
        "status": "PAID",
        "paymentState": "PAID",
        "number": "INV-2026-0001",
        "total": {"amount": -700},
        "amountDue": {"amount": 0},
        "amountPaid": {"amount": 0},
        "paidAt": "2026-05-20T00:00:00Z",
        "ledgerEntries": {
            "nodes": [
                {
                    "type": "CREDIT",
                    "description": "Invoice INV-2026-0001",
                    "debit": {"amount": 0},
                    "credit": {"amount": 700},
                    "runningBalance": {"amount": -700},
                }
            ]
        },
    }
    assert await postings(administrator, invoice_id) == [("CUSTOMER_CREDIT", 0, 700), ("REVENUE", 700, 0)]
    for step in ("invoiceVoid", "invoiceMarkPaid", "invoiceFinalize"):
        refused = await tester.attempt(step, {"invoiceId": invoice_id}, "invoice { id }")
        assert refusal(refused) == ("INVALID_STATE", "invoiceId")


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        ([(LineItemKind.MANUAL, 700), (LineItemKind.DISCOUNT, -700)], False),
        ([(LineItemKind.MANUAL, 700), (LineItemKind.DISCOUNT, -701)], True),
        ([(LineItemKind.PRORATION, -700), (LineItemKind.DISCOUNT, -1)], True),
        ([(LineItemKind.PRORATION, -700), (LineItemKind.MANUAL, 100), (LineItemKind.DISCOUNT, -1)], True),
        ([(LineItemKind.PRORATION, -700), (LineItemKind.MANUAL, 800), (LineItemKind.DISCOUNT, -100)], False),
    ],
)
async def test_a_discount_never_makes_credit(
    tester: Caller, lines: list[tuple[LineItemKind, int]], refused: bool
) -> None:
    """It takes off what is charged, down to 0; below that only prorations and adjustments lead."""
    invoice_id = await draft_of(tester, await customer(tester), *(line(kind, amount) for kind, amount in lines))
    payload = await tester.attempt("invoiceFinalize", {"invoiceId": invoice_id}, "invoice { id }")
    assert codes(payload) == (["INVALID"] if refused else [])


async def test_a_draft_by_hand_below_0_says_what_to_do(tester: Caller) -> None:
    """Nothing is posted and the draft stays."""
    invoice_id = await draft(tester, 1, -2)
    payload = await tester.attempt("invoiceFinalize", {"invoiceId": invoice_id}, "invoice { id }")
    assert payload["userErrors"][0]["message"] == "The total is negative: remove discounts until it is 0 or more."


async def test_a_payment_beyond_the_bounds_is_refused(tester: Caller) -> None:
    """2^53-1 can be paid on nothing owed but 1; one more is no amount, and together they must fit the balance."""
    most = 2**53 - 1
    payment = {"invoiceId": await finalized(tester, 1), "amount": most}
    answer = await tester.ask(
        "mutation($input: InvoiceMarkPaidInput!) { invoiceMarkPaid(input: $input) { userErrors { code } } }",
        input={**payment, "amount": most + 1},
    )
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
    await tester.change("invoiceMarkPaid", payment, "invoice { id }")
    again = {"invoiceId": await finalized(tester, 1), "amount": most}
    assert refusal(await tester.attempt("invoiceMarkPaid", again, "invoice { id }")) == ("INVALID", "amount")
