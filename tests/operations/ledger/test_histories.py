"""Histories made up at random: whatever is done in whatever order, the books are what a replay from nothing says."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.charge import LineItemKind, manual_line
from app.domain.errors import Refusal
from app.domain.invoice import BillingReason, drafted
from app.domain.period import Period
from app.operations.customer.create import NewCustomer, create_customer
from app.operations.invoice.finalize import finalize_invoice
from app.operations.invoice.generate import InvoiceRequest, generate_invoice
from app.operations.invoice.mark_paid import Receipt, mark_invoice_paid
from app.operations.invoice.void import void_invoice
from app.operations.invoice_line_item.add import NewLine, add_invoice_line_item
from app.operations.ledger.adjust import Adjustment, adjust_ledger
from app.operations.ledger.verify import verify_ledger_chain
from app.store.balance import load_customer_balances, load_total_balances
from app.store.invoice import insert_invoices, insert_lines
from app.store.query import new_id
from app.store.tables.organization import Mode
from app.store.tenancy import Database, TenantDatabase
from tests.caller import Founder
from tests.operations.ledger.test_adjust import check_books
from tests.operations.steps import database_of

BEGIN = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
CURRENCIES = ("USD", "JPY", "USD")
"""Of the customers, by place."""

Step = tuple[Any, ...]
Whose = tuple[int, str]

customers = st.integers(0, 2)
amounts = st.integers(-900, 900).filter(bool)
# Close together, so that entries fall onto each other's instants, with now and then a long way in between.
hours = st.integers(-30, 30) | st.integers(-9000, 9000)
places = st.integers(0, 9)
STEPS = st.one_of(
    st.tuples(st.just("draft"), customers, st.lists(st.integers(-300, 900), max_size=3)),
    st.tuples(st.just("credit note"), customers, st.integers(1, 900)),
    st.tuples(st.just("finalize"), places),
    st.tuples(st.just("finalize"), places),
    st.tuples(st.just("pay"), places, st.sampled_from(["part", "whole", "over"]), st.none() | st.integers(0, 3000)),
    st.tuples(st.just("pay"), places, st.sampled_from(["part", "whole", "over"]), st.none() | st.integers(0, 3000)),
    st.tuples(st.just("void"), places),
    st.tuples(st.just("adjust"), customers, st.sampled_from(["USD", "JPY"]), amounts, st.none() | hours),
    st.tuples(st.just("clock"), hours),
)
QUESTIONS = st.tuples(hours, st.sampled_from([-1, 0, 0, 1])) | st.none()


@dataclass
class Bill:
    """What the replay knows of an invoice."""

    id: UUID
    whose: Whose
    amounts: list[int]
    charged: int = 0
    status: str = "DRAFT"
    paid: int = 0

    @property
    def total(self) -> int:
        return sum(self.amounts)


@dataclass
class Replay:
    """The books by hand: entries on statements, and each account's balance. It shares no code with the program."""

    entries: list[tuple[Whose, int, datetime, datetime]] = field(default_factory=list)
    last: dict[Whose, datetime] = field(default_factory=dict)
    books: Counter[tuple[str, str, int | None]] = field(default_factory=Counter)

    def post(self, whose: Whose, now: datetime, against: str, effective: datetime | None, **own: int) -> None:
        """`own` is what comes to the customer's accounts: debits above 0."""
        created = self.last[whose] = max(now, self.last.get(whose, now))
        for account, amount in own.items():
            if amount:
                self.entries.append((whose, amount, effective or created, created))
                self.books[account, whose[1], whose[0]] += amount
                self.books[against, whose[1], None] -= amount

    def balances(self, as_of: datetime | None, known_at: datetime | None) -> dict[Whose, int]:
        sums: dict[Whose, int] = defaultdict(int)
        for whose, amount, effective, created in self.entries:
            if (as_of is None or effective <= as_of) and (known_at is None or created <= known_at):
                sums[whose] += amount
        return dict(sums)


@dataclass
class Story:
    """An organization to which the steps happen, and the replay beside it."""

    database: Database
    caller: Any
    customers: list[UUID] = field(default_factory=list)
    now: datetime = BEGIN
    bills: list[Bill] = field(default_factory=list)
    replay: Replay = field(default_factory=Replay)

    @property
    def handle(self) -> TenantDatabase:
        return database_of(self.database, self.caller, self.now)

    def bill(self, place: int) -> Bill | None:
        return self.bills[place % len(self.bills)] if self.bills else None

    async def draft(self, who: int, lines: list[int]) -> None:
        request = InvoiceRequest(subscription_id=None, customer_id=self.customers[who], period=None, notes=None)
        bill = Bill(await generate_invoice(self.handle, request), (who, CURRENCIES[who]), lines)
        for amount in lines:
            await add_invoice_line_item(self.handle, bill.id, NewLine("Frobozz", Decimal(1), Decimal(amount), None))
        bill.charged = sum(amount for amount in lines if amount > 0)
        self.bills.append(bill)

    async def credit_note(self, who: int, amount: int) -> None:
        line = replace(manual_line("Rest of a plan", Decimal(1), Decimal(-amount)), kind=LineItemKind.PRORATION)
        async with self.handle.write() as tx:
            invoice = drafted(
                invoice_id=new_id(),
                customer_id=self.customers[who],
                subscription_id=None,
                currency=CURRENCIES[who],
                reason=BillingReason.PLAN_CHANGE,
                period=Period(tx.now, tx.now),
                lines=[line],
                notes=None,
            )
            await insert_invoices(tx, [invoice], [None])
            await insert_lines(tx, [(invoice, [line])])
        self.bills.append(Bill(invoice.id, (who, CURRENCIES[who]), [-amount], charged=-amount))

    async def finalize(self, place: int) -> None:
        if bill := self.bill(place):
            allowed = bill.status == "DRAFT" and bill.total >= min(0, bill.charged)
            if await went(finalize_invoice(self.handle, bill.id, due_in_days=None, expected_version=None), allowed):
                bill.status = "PAID" if bill.total <= 0 else "FINALIZED"
                own = {"RECEIVABLE": max(0, bill.total), "CUSTOMER_CREDIT": min(0, bill.total)}
                self.replay.post(bill.whose, self.now, "REVENUE", None, **own)

    async def pay(self, place: int, how: str, hours_ago: int | None) -> None:
        if bill := self.bill(place):
            due = bill.total - bill.paid
            amount = {"part": max(1, due // 3), "whole": None, "over": max(1, due) + 77}[how]
            paid_at = None if hours_ago is None else self.now - timedelta(hours=hours_ago)
            receipt = Receipt(amount, paid_at, None, None)
            if await went(mark_invoice_paid(self.handle, bill.id, receipt), bill.status == "FINALIZED"):
                received = due if amount is None else amount
                settled = min(received, due)
                bill.paid += settled
                bill.status = "PAID" if bill.paid == bill.total else "FINALIZED"
                own = {"RECEIVABLE": -settled, "CUSTOMER_CREDIT": settled - received}
                self.replay.post(bill.whose, self.now, "CASH", paid_at or self.now, **own)

    async def void(self, place: int) -> None:
        if bill := self.bill(place):
            allowed = bill.status == "DRAFT" or (bill.status == "FINALIZED" and not bill.paid)
            if await went(void_invoice(self.handle, bill.id, reason=None, expected_version=None), allowed):
                if bill.status == "FINALIZED":
                    self.replay.post(bill.whose, self.now, "REVENUE", None, RECEIVABLE=-bill.total)
                bill.status = "VOID"

    async def adjust(self, who: int, currency: str, amount: int, hour: int | None) -> None:
        effective = None if hour is None else self.now + timedelta(hours=hour)
        await adjust_ledger(
            self.handle, Adjustment(self.customers[who], amount, currency, "Frobozz", None, effective, None)
        )
        self.replay.post((who, currency), self.now, "ADJUSTMENTS", effective, RECEIVABLE=amount)

    async def clock(self, hour: int) -> None:
        self.now += timedelta(hours=hour)


async def went(operation: Any, allowed: bool) -> bool:
    """Whether it was done; it is refused exactly where it is not allowed."""
    try:
        await operation
    except Refusal:
        assert not allowed
        return False
    assert allowed
    return True


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=4, max_size=24), questions=st.lists(st.tuples(QUESTIONS, QUESTIONS), max_size=8))
async def test_any_history_is_what_a_replay_from_nothing_says(
    founder: Founder,
    database: Database,
    owner_url: str,
    steps: list[Step],
    questions: list[tuple[tuple[int, int] | None, tuple[int, int] | None]],
) -> None:
    """Balances at any two instants, each account's sum, each transaction, each running balance, the whole chain (B2,
    M9, M43, M48): drafts, credit notes, payments in part and beyond, voids, adjustments, under a clock that jumps.
    """
    story = Story(database, await founder.organization(mode=Mode.TEST, test_clock=BEGIN))
    for currency in CURRENCIES:
        story.customers.append(await create_customer(story.handle, NewCustomer("Plugh", currency=currency)))
    for name, *arguments in steps:
        await getattr(story, name.replace(" ", "_"))(*arguments)
    await check_balances(story, questions)
    await check_accounts(story, owner_url)
    verification = await verify_ledger_chain(story.handle)
    assert (verification.intact, verification.broken_at) == (True, None)


async def check_balances(story: Story, questions: list[tuple[tuple[int, int] | None, ...]]) -> None:
    instants = [
        tuple(None if at is None else story.now + timedelta(hours=at[0], microseconds=at[1]) for at in question)
        for question in questions
    ]
    # Where something counted or was recorded, to the microsecond.
    told = [instant for _, _, effective, created in story.replay.entries[:4] for instant in (effective, created)]
    around = [instant + timedelta(microseconds=step) for instant in told for step in (-1, 0)]
    asked = [(None, None), *instants, *((at, None) for at in around), *((None, at) for at in around)]
    asked += [*zip(around, reversed(around), strict=True)]
    async with story.handle.read() as tx:
        for as_of, known_at in asked:
            expected = story.replay.balances(as_of, known_at)
            rows = await load_customer_balances(tx, story.customers, as_of, known_at)
            assert {(story.customers.index(row[0]), row[1]): row[2] for row in rows} == expected
            totals: Counter[str] = Counter()
            for (_, currency), amount in expected.items():
                totals[currency] += amount
            assert {row[0]: row[1] for row in await load_total_balances(tx, as_of, known_at)} == dict(totals)


async def check_accounts(story: Story, owner_url: str) -> None:
    administrator = await asyncpg.connect(owner_url)
    try:
        await check_books(administrator, story.caller)
        rows = await administrator.fetch(
            """select a.code, a.currency, a.customer_id, sum(e.debit_minor - e.credit_minor)::bigint as sum
            from accounts a join ledger_entries e on e.organization_id = a.organization_id and e.account_id = a.id
            where a.organization_id = $1 group by 1, 2, 3""",
            story.caller.database.organization_id,
        )
    finally:
        await administrator.close()
    found = {
        (row["code"], row["currency"], row["customer_id"] and story.customers.index(row["customer_id"])): row["sum"]
        for row in rows
    }
    assert found == {key: story.replay.books[key] for key in story.replay.books}
