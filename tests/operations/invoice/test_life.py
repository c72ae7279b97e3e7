"""The life of an invoice: DRAFT > FINALIZED > PAID; FINALIZED > VOID; DRAFT > VOID; nothing else (E3, E4)."""

from typing import Any

import asyncpg
import pytest

from tests.caller import Caller
from tests.operations.steps import codes, draft, finalized, invoice_in, plan, refusal, set_clock, subscription

STEP = {"FINALIZED": "invoiceFinalize", "PAID": "invoiceMarkPaid", "VOID": "invoiceVoid", "DRAFT": None}
ALLOWED = {("DRAFT", "FINALIZED"), ("FINALIZED", "PAID"), ("FINALIZED", "VOID"), ("DRAFT", "VOID")}
SELECT = """invoice { status paymentState number total { amount } amountPaid { amount } amountDue { amount } version
dueAt finalizedAt paidAt voidedAt
ledgerEntries { nodes { type debit { amount } credit { amount } runningBalance { amount } } } }"""
READ = "query($id: ID!) { invoice(id: $id) { status version number ledgerEntries { totalCount } } }"


@pytest.mark.parametrize("before", ["DRAFT", "FINALIZED", "PAID", "VOID"])
@pytest.mark.parametrize("after", ["DRAFT", "FINALIZED", "PAID", "VOID"])
async def test_four_of_sixteen_transitions_are_allowed(owner: Caller, before: str, after: str) -> None:
    """E4: every other is INVALID_STATE and changes nothing; back to DRAFT there is no way at all."""
    invoice_id = await invoice_in(owner, before)
    field = STEP[after]
    if field is None:
        line = {"invoiceId": invoice_id, "description": "x", "unitPrice": "1"}
        payload = await owner.attempt("invoiceLineItemAdd", line, "invoice { status }")
        assert codes(payload) == ([] if before == "DRAFT" else ["INVALID_STATE"])
        return
    seen = await owner.data(READ, id=invoice_id)
    payload = await owner.attempt(field, {"invoiceId": invoice_id}, "invoice { status }")
    if (before, after) in ALLOWED:
        assert payload["invoice"] == {"status": after}
    else:
        assert (payload["invoice"], refusal(payload)) == (None, ("INVALID_STATE", "invoiceId"))
        assert await owner.data(READ, id=invoice_id) == seen


async def test_finalizing_numbers_locks_and_charges(tester: Caller) -> None:
    """Number, due date 30 days on, CHARGE; the version grows (E4)."""
    invoice_id = await draft(tester, 700, 77)
    final = (await tester.change("invoiceFinalize", {"invoiceId": invoice_id}, SELECT))["invoice"]
    assert final == {
        "status": "FINALIZED",
        "paymentState": "UNPAID",
        "number": "INV-2026-0001",
        "total": {"amount": 777},
        "amountPaid": {"amount": 0},
        "amountDue": {"amount": 777},
        "version": 4,
        "dueAt": "2026-06-19T00:00:00Z",
        "finalizedAt": "2026-05-20T00:00:00Z",
        "paidAt": None,
        "voidedAt": None,
        "ledgerEntries": {
            "nodes": [
                {
                    "type": "CHARGE",
                    "debit": {"amount": 777},
                    "credit": {"amount": 0},
                    "runningBalance": {"amount": 777},
                }
            ]
        },
    }


@pytest.mark.parametrize(
    ("days", "due"),
    [
        (None, "2026-06-19T00:00:00Z"),
        (0, "2026-05-20T00:00:00Z"),
        (1, "2026-05-21T00:00:00Z"),
        (3650, "2036-05-17T00:00:00Z"),
    ],
)
async def test_the_due_date_is_so_many_days_on(tester: Caller, days: int | None, due: str) -> None:
    """30 where it is left out or null; 0 is due at once."""
    invoice_id = await draft(tester, 7)
    final = await tester.change("invoiceFinalize", {"invoiceId": invoice_id, "dueInDays": days}, "invoice { dueAt }")
    assert final["invoice"]["dueAt"] == due


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"dueInDays": -1}, "INVALID", "dueInDays"),
        ({"dueInDays": 3651}, "INVALID", "dueInDays"),
        ({"expectedVersion": 1}, "VERSION_CONFLICT", "expectedVersion"),
        ({"expectedVersion": 3}, "VERSION_CONFLICT", "expectedVersion"),
        ({"invoiceId": "inv_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "invoiceId"),
        ({"invoiceId": "xyzzy"}, "NOT_FOUND", "invoiceId"),
    ],
)
async def test_a_refused_finalize_burns_no_number(tester: Caller, given: dict[str, Any], code: str, path: str) -> None:
    """M11: the next one that succeeds is the first."""
    invoice_id = await draft(tester, 7)
    refused = await tester.attempt("invoiceFinalize", {"invoiceId": invoice_id, **given}, "invoice { id }")
    assert refusal(refused) == (code, path)
    final = await tester.change(
        "invoiceFinalize", {"invoiceId": invoice_id, "expectedVersion": 2}, "invoice { number }"
    )
    assert final["invoice"]["number"] == "INV-2026-0001"


async def test_a_total_of_0_is_paid_at_once(tester: Caller) -> None:
    """With a number and no entry of 0, be it empty or discounted to nothing."""
    for amounts, number in [((), "INV-2026-0001"), ((700, -700), "INV-2026-0002")]:
        invoice_id = await draft(tester, *amounts)
        final = (await tester.change("invoiceFinalize", {"invoiceId": invoice_id}, SELECT))["invoice"]
        assert (final["status"], final["paymentState"], final["number"]) == ("PAID", "PAID", number)
        assert (final["paidAt"], final["ledgerEntries"]["nodes"]) == ("2026-05-20T00:00:00Z", [])


async def test_a_total_below_0_is_not_finalized(tester: Caller) -> None:
    """Discounts beyond the lines are refused, and the draft stays."""
    invoice_id = await draft(tester, 700, -701)
    assert codes(await tester.attempt("invoiceFinalize", {"invoiceId": invoice_id}, "invoice { id }")) == ["INVALID"]


@pytest.mark.parametrize(
    ("payments", "states"),
    [
        ([None], [("PAID", "PAID", 777, 0, 0)]),
        ([777], [("PAID", "PAID", 777, 0, 0)]),
        (
            [7, 70, 700],
            [
                ("FINALIZED", "PARTIALLY_PAID", 7, 770, 770),
                ("FINALIZED", "PARTIALLY_PAID", 77, 700, 700),
                ("PAID", "PAID", 777, 0, 0),
            ],
        ),
        ([7, None], [("FINALIZED", "PARTIALLY_PAID", 7, 770, 770), ("PAID", "PAID", 777, 0, 0)]),
        # What is paid beyond the total is the customer's credit.
        ([1000], [("PAID", "PAID", 777, 0, -223)]),
        ([77, 1000], [("FINALIZED", "PARTIALLY_PAID", 77, 700, 700), ("PAID", "PAID", 777, 0, -300)]),
    ],
)
async def test_partial_full_and_over_payment(
    tester: Caller, payments: list[int | None], states: list[tuple[str, str, int, int, int]]
) -> None:
    """M48: the state beside the status, what is paid and due, and the balance that the statement ends with."""
    invoice_id = await finalized(tester, 777)
    for amount, (status, state, paid, due, balance) in zip(payments, states, strict=True):
        payload = await tester.change("invoiceMarkPaid", {"invoiceId": invoice_id, "amount": amount}, SELECT)
        found = payload["invoice"]
        assert (found["status"], found["paymentState"]) == (status, state)
        assert (found["amountPaid"]["amount"], found["amountDue"]["amount"]) == (paid, due)
        assert found["ledgerEntries"]["nodes"][0]["runningBalance"] == {"amount": balance}
        assert (found["paidAt"] is not None) is (status == "PAID")
    read = "{ balances { amount currency } ledgerEntries(filter: {type: [PAYMENT]}) { totalCount } }"
    assert await tester.data(read) == {
        "balances": [{"amount": states[-1][4], "currency": "USD"}],
        # What is kept as credit is an entry of its own.
        "ledgerEntries": {"totalCount": len(payments) + (states[-1][4] < 0)},
    }


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"amount": 0}, "INVALID", "amount"),
        ({"amount": -7}, "INVALID", "amount"),
        ({"paidAt": "2026-05-20T00:00:00.000001Z"}, "INVALID", "paidAt"),
        ({"externalReference": ""}, "INVALID", "externalReference"),
        ({"externalReference": "x" * 256}, "INVALID", "externalReference"),
        ({"expectedVersion": 2}, "VERSION_CONFLICT", "expectedVersion"),
        ({"invoiceId": "xyzzy"}, "NOT_FOUND", "invoiceId"),
    ],
)
async def test_a_payment_that_breaks_a_rule_changes_nothing(
    tester: Caller, given: dict[str, Any], code: str, path: str
) -> None:
    """Refused, it leaves the invoice unpaid and the statement as it was."""
    invoice_id = await finalized(tester, 777)
    seen = await tester.data(READ, id=invoice_id)
    refused = await tester.attempt("invoiceMarkPaid", {"invoiceId": invoice_id, **given}, "invoice { id }")
    assert refusal(refused) == (code, path)
    assert await tester.data(READ, id=invoice_id) == seen


async def test_a_payment_counts_from_when_it_came_in(tester: Caller, administrator: asyncpg.Connection) -> None:
    """paidAt is when it counts, the clock when it was recorded; its reference stands on the statement."""
    invoice_id = await finalized(tester, 777)
    await set_clock(administrator, tester, "2026-06-01T00:00:00Z")
    payment = {"invoiceId": invoice_id, "paidAt": "2026-05-28T10:00:00Z", "externalReference": "wire-77"}
    paid = await tester.change(
        "invoiceMarkPaid",
        payment,
        "invoice { paidAt ledgerEntries(first: 1) { nodes { type effectiveAt createdAt externalReference } } }",
    )
    assert paid["invoice"] == {
        "paidAt": "2026-05-28T10:00:00Z",
        "ledgerEntries": {
            "nodes": [
                {
                    "type": "PAYMENT",
                    "effectiveAt": "2026-05-28T10:00:00Z",
                    "createdAt": "2026-06-01T00:00:00Z",
                    "externalReference": "wire-77",
                }
            ]
        },
    }


async def test_a_void_credits_what_was_charged_and_keeps_the_number(tester: Caller) -> None:
    """FINALIZED > VOID: a CREDIT of the total; the number is kept, and the next invoice has the next one (M13)."""
    invoice_id = await finalized(tester, 777)
    void = (await tester.change("invoiceVoid", {"invoiceId": invoice_id, "reason": "grue"}, SELECT))["invoice"]
    assert (void["status"], void["number"], void["voidedAt"]) == ("VOID", "INV-2026-0001", "2026-05-20T00:00:00Z")
    assert void["amountDue"] == {"amount": 0}
    assert [
        (entry["type"], entry["debit"]["amount"], entry["credit"]["amount"], entry["runningBalance"]["amount"])
        for entry in void["ledgerEntries"]["nodes"]
    ] == [("CREDIT", 0, 777, 0), ("CHARGE", 777, 0, 777)]
    following = await finalized(tester, 7)
    assert (await tester.data(READ, id=following))["invoice"]["number"] == "INV-2026-0002"


async def test_a_voided_draft_wastes_no_number(tester: Caller) -> None:
    """Golden: of two drafts the first is voided, the second finalized: INV-2026-0001 (M11, M13)."""
    first, second = await draft(tester, 7), await draft(tester, 77)
    void = (await tester.change("invoiceVoid", {"invoiceId": first}, SELECT))["invoice"]
    assert (void["status"], void["number"], void["ledgerEntries"]["nodes"]) == ("VOID", None, [])
    final = (await tester.change("invoiceFinalize", {"invoiceId": second}, SELECT))["invoice"]
    assert final["number"] == "INV-2026-0001"


async def test_the_dispute_story_ends_in_0(tester: Caller) -> None:
    """Golden: charged 9900, voided, charged again, paid: +9900, -9900, +9900, -9900 -> 0."""
    await tester.change("invoiceVoid", {"invoiceId": await finalized(tester, 9900)}, "invoice { id }")
    await tester.change("invoiceMarkPaid", {"invoiceId": await finalized(tester, 9900)}, "invoice { id }")
    found = await tester.data("{ ledgerEntries { nodes { type runningBalance { amount } } } balances { amount } }")
    assert [(node["type"], node["runningBalance"]["amount"]) for node in found["ledgerEntries"]["nodes"][::-1]] == [
        ("CHARGE", 9900),
        ("CREDIT", 0),
        ("CHARGE", 9900),
        ("PAYMENT", 0),
    ]
    assert found["balances"] == [{"amount": 0}]


async def test_what_is_partly_paid_is_not_voided(tester: Caller) -> None:
    """Money came in: the void is refused and says what to do instead."""
    invoice_id = await finalized(tester, 777)
    await tester.change("invoiceMarkPaid", {"invoiceId": invoice_id, "amount": 7}, "invoice { id }")
    refused = await tester.attempt("invoiceVoid", {"invoiceId": invoice_id}, "invoice { id }")
    assert refusal(refused) == ("INVALID_STATE", "invoiceId")


@pytest.mark.parametrize("status", ["DRAFT", "FINALIZED", "PAID", "VOID"])
async def test_only_a_draft_is_deleted(tester: Caller, status: str) -> None:
    """A draft goes with its lines; what has a number stays for ever (M13)."""
    invoice_id = await invoice_in(tester, status)
    payload = await tester.attempt("invoiceDeleteDraft", {"invoiceId": invoice_id}, "deletedId")
    found = (await tester.data(READ, id=invoice_id))["invoice"]
    if status == "DRAFT":
        assert (payload["deletedId"], found) == (invoice_id, None)
        again = await tester.attempt("invoiceDeleteDraft", {"invoiceId": invoice_id}, "deletedId")
        assert refusal(again) == ("NOT_FOUND", "invoiceId")
    else:
        assert (payload["deletedId"], codes(payload), found["status"]) == (None, ["INVALID_STATE"], status)


@pytest.mark.parametrize("settle", [None, "invoiceFinalize", "invoiceVoid", "invoiceDeleteDraft"])
async def test_a_period_has_one_live_invoice(tester: Caller, settle: str | None) -> None:
    """A second is ALREADY_EXISTS; a void or a deletion frees the period (M16)."""
    await plan(tester)
    period = {"subscriptionId": await subscription(tester)}
    made = await tester.change("invoiceGenerate", period, "invoice { id }")
    if settle is not None:
        await tester.change(settle, {"invoiceId": made["invoice"]["id"]}, "__typename")
    again = await tester.attempt("invoiceGenerate", period, "invoice { id status }")
    if settle in (None, "invoiceFinalize"):
        assert refusal(again) == ("ALREADY_EXISTS", "period")
    else:
        assert again["invoice"]["status"] == "DRAFT"
