"""What is billed and what comes of it: paid, late, in parts, never; void and issued again; by hand, and adjusted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from functools import partial
from itertools import chain
from typing import Final
from uuid import UUID

from app.demo.story import Client, Contract, Deed, Story
from app.domain.period import Period
from app.operations.invoice.finalize import finalize_invoice
from app.operations.invoice.generate import InvoiceRequest, generate_invoice
from app.operations.invoice.mark_paid import Receipt, mark_invoice_paid
from app.operations.invoice.void import void_invoice
from app.operations.invoice_line_item.add import NewLine, add_invoice_line_item
from app.operations.ledger.adjust import Adjustment, adjust_ledger
from app.store.invoice import load_invoices
from app.store.tables import Invoice


class Fate(Enum):
    """What becomes of an invoice."""

    PROMPT = auto()
    LATE = auto()
    IN_TWO_PARTS = auto()
    PARTLY = auto()
    NEVER = auto()
    WRITTEN_OFF = auto()
    OVERPAID = auto()
    DISCOUNTED = auto()
    ISSUED_AGAIN = auto()


FATES: Final = (*Fate, *[Fate.PROMPT] * 27, *[Fate.LATE] * 5, Fate.DISCOUNTED)

_WHY_VOID: Final = ("Wrong billing address", "Order number was missing", "Discount was forgotten")
_WORK: Final = (
    ("Onboarding workshop, a day", 3.2),
    ("Template design, an hour", 0.4),
    ("Migration of archived documents", 6.5),
    ("Training of administrators, a day", 2.9),
    ("Support on site, a day", 3.6),
)
"""What is done by hand, and what it costs in base fees of the Business plan."""

_REVIEW: Final = timedelta(days=3)
"""How long before now a part of what the nightly run drafted is still looked at."""


@dataclass(slots=True, eq=False)
class Bill:
    """An invoice as the story knows it; it has its id once it is made. `of` is the period that it is for, if any."""

    client: Client
    of: tuple[Contract, Period] | None = None
    id: UUID | None = None

    @property
    def invoice_id(self) -> UUID:
        """The id of an invoice that is made."""
        if self.id is None:
            raise AssertionError("The demo's invoice was not made.")
        return self.id


class Billing:
    """The company's back office: bills what the nightly run finds, by hand what is done by hand, and books payments."""

    def __init__(self, story: Story) -> None:
        self._story = story
        # One of each comes first, so that nothing is missing in the smallest telling.
        self._fates: Iterator[Fate] = chain(Fate, story.dealt(FATES))

    def expect(self, contract: Contract) -> None:
        """Bill a contract's next period in the night after it ends, or after it begins."""
        period = contract.next_period()
        if period is not None:
            at = self._story.billing_night(contract.due_at(period))
            self._story.at(at, partial(self.bill, contract), of=contract.client)

    def bill(self, contract: Contract, at: datetime) -> Deed | None:
        """Bill the period that is due, where there is one, and expect the next."""
        story, period = self._story, contract.next_period()
        if period is None or contract.due_at(period) > at:
            return None
        contract.billed_until = period.end
        self.expect(contract)
        bill = Bill(contract.client, of=(contract, period))
        if contract.is_free:
            return partial(self._issue, bill, at)
        if at > story.now - _REVIEW and story.random.random() < 0.3:
            return partial(self._draft, bill, at)
        fate = next(self._fates)
        if fate is Fate.DISCOUNTED:
            story.at(story.office_hour(at), partial(self._grant_discount, bill), of=bill.client)
            return partial(self._draft, bill, at)
        self.collect(bill, fate, at)
        return partial(self._issue, bill, at)

    def bill_by_hand(self, client: Client, at: datetime, *, drafted_only: bool = False) -> Deed:
        """Bill work by the day or the hour to a customer."""
        story = self._story
        fee = story.company.prices.business
        lines = [
            NewLine(description, Decimal(story.random.randint(1, 5)), Decimal(int(fee * fees)), None)
            for description, fees in story.random.sample(_WORK, k=story.random.randint(1, 3))
        ]
        bill = Bill(client)
        if drafted_only:
            return partial(self._draft, bill, at, lines=lines)
        self.collect(bill, next(self._fates), at)
        return partial(self._issue, bill, at, lines=lines, due_in_days=story.random.choice((14, 30, 30, 60)))

    def bill_for_nothing(self, client: Client, at: datetime) -> Deed:
        """Give work away, with an invoice of 0 for it."""
        line = NewLine("Repair of a template, free of charge", Decimal(1), Decimal(0), None)
        return partial(self._issue, Bill(client), at, lines=[line])

    def adjust(self, client: Client, at: datetime) -> Deed:
        """Correct a customer's statement by a little, sometimes as of the month's beginning."""
        story = self._story
        a_little = story.company.prices.team * story.random.randint(1, 4)
        amount, description = story.random.choice(
            (
                (-a_little, "Goodwill for an outage"),
                (-a_little // 2, "Referral bonus"),
                (a_little // 4, "Bank charges of a returned transfer"),
                (a_little // 2, "Interest on late payment"),
            )
        )
        month = story.midnight(story.local_day(at).replace(day=1))
        effective_at = story.random.choice((None, max(month, story.opening)))
        currency = story.company.currency

        async def adjust() -> None:
            adjustment = Adjustment(client.id, amount, currency, description, None, effective_at, None)
            await adjust_ledger(story.tenant(at), adjustment)

        return adjust

    def thank(self, client: Client, at: datetime) -> Deed:
        """Give a customer a bonus, likely more than it owes."""
        prices, currency = self._story.company.prices, self._story.company.currency
        bonus = Adjustment(client.id, -prices.enterprise_a_year // 4, currency, "Bonus of the year", None, None, None)
        return partial(self._adjust, bonus, at)

    def collect(self, bill: Bill, fate: Fate, at: datetime) -> None:
        """Let an invoice that was finalized at that instant meet its fate."""
        match fate:
            case Fate.LATE:
                self._later(bill, at, 33, 75, self._receive)
            case Fate.IN_TWO_PARTS:
                self._later(bill, at, 8, 25, self._receive_part)
                self._later(bill, at, 36, 60, self._receive)
            case Fate.PARTLY:
                self._later(bill, at, 8, 25, self._receive_part)
            case Fate.NEVER:
                pass
            case Fate.WRITTEN_OFF:
                self._later(bill, at, 90, 120, lambda bill, then: partial(self._write_off, bill, then))
            case Fate.OVERPAID:
                self._later(bill, at, 3, 20, self._receive_too_much)
            case Fate.ISSUED_AGAIN if bill.of is not None:
                self._later(bill, at, 1, 9, self._replace)
            case _:
                self._later(bill, at, 2, 24, self._receive)

    def _later(self, bill: Bill, at: datetime, first: int, last: int, scene: Callable[[Bill, datetime], Deed]) -> None:
        self._story.at(self._story.office_hour_after(at, first, last), partial(scene, bill), of=bill.client)

    def _grant_discount(self, bill: Bill, at: datetime) -> Deed:
        self.collect(bill, Fate.PROMPT, at)
        return partial(self._discount, bill, at, percent=self._story.random.choice((5, 10, 10, 20)))

    def _replace(self, bill: Bill, at: datetime) -> Deed:
        again = Bill(bill.client, of=bill.of)
        self.collect(again, Fate.PROMPT, at)
        return partial(self._issue_again, bill, again, at, why=self._story.random.choice(_WHY_VOID))

    def _receive(self, bill: Bill, at: datetime) -> Deed:
        return partial(self._pay, bill, at, self._receipt(at))

    def _receive_part(self, bill: Bill, at: datetime) -> Deed:
        return partial(self._pay, bill, at, self._receipt(at), tenths=self._story.random.choice((3, 5, 6)))

    def _receive_too_much(self, bill: Bill, at: datetime) -> Deed:
        return partial(self._pay, bill, at, self._receipt(at), extra=self._story.company.prices.team)

    def _receipt(self, at: datetime) -> Receipt:
        """All that is due, that came in up to thirty hours before it was booked."""
        received_at = at - timedelta(minutes=self._story.random.randrange(30 * 60))
        reference = f"Transfer {self._story.local_day(received_at):%Y%m%d}-{self._story.random.randrange(10_000):04}"
        return Receipt(None, received_at, reference, None)

    async def _draft(
        self, bill: Bill, at: datetime, *, notes: str | None = None, lines: Sequence[NewLine] = ()
    ) -> None:
        if bill.of is None:
            request = InvoiceRequest(None, bill.client.id, None, notes)
        else:
            contract, period = bill.of
            request = InvoiceRequest(contract.id, None, period, notes)
        bill.id = await generate_invoice(self._story.tenant(at), request)
        for line in lines:
            await add_invoice_line_item(self._story.tenant(at), bill.id, line)

    async def _issue(
        self,
        bill: Bill,
        at: datetime,
        *,
        notes: str | None = None,
        lines: Sequence[NewLine] = (),
        due_in_days: int | None = None,
    ) -> None:
        await self._draft(bill, at, notes=notes, lines=lines)
        await self._finalize(bill, at, due_in_days)

    async def _finalize(self, bill: Bill, at: datetime, due_in_days: int | None = None) -> None:
        tenant = self._story.tenant(at)
        await finalize_invoice(tenant, bill.invoice_id, due_in_days=due_in_days, expected_version=None)

    async def _discount(self, bill: Bill, at: datetime, *, percent: int) -> None:
        total = (await self._read(bill, at)).total_minor
        line = NewLine(f"Discount of {percent} %", Decimal(1), -Decimal(total) * percent / 100, None)
        await add_invoice_line_item(self._story.tenant(at), bill.invoice_id, line)
        await self._finalize(bill, at)

    async def _issue_again(self, bill: Bill, again: Bill, at: datetime, *, why: str) -> None:
        invoice = await self._owed(bill, at)
        if invoice is not None:
            await void_invoice(self._story.tenant(at), invoice.id, reason=why, expected_version=None)
            await self._issue(again, at, notes=f"Replaces {invoice.number}.")

    async def _pay(self, bill: Bill, at: datetime, receipt: Receipt, *, tenths: int = 10, extra: int = 0) -> None:
        """Book what is due, if anything is owed; or that many tenths of the total; or the total and some extra."""
        invoice = await self._owed(bill, at)
        if invoice is None:
            return
        if tenths != 10 or extra:
            receipt = replace(receipt, amount=max(1, invoice.total_minor * tenths // 10) + extra)
        await mark_invoice_paid(self._story.tenant(at), invoice.id, receipt)

    async def _write_off(self, bill: Bill, at: datetime) -> None:
        invoice = await self._owed(bill, at)
        if invoice is None:
            return
        why = "Written off: the customer is insolvent"
        adjustment = Adjustment(
            invoice.customer_id, -invoice.total_minor, invoice.currency, why, invoice.id, None, None
        )
        await adjust_ledger(self._story.tenant(at), adjustment)

    async def _owed(self, bill: Bill, at: datetime) -> Invoice | None:
        """The invoice; None where nothing was billed, or it came to nothing, and was PAID as it was finalized."""
        if bill.id is None:
            return None
        invoice = await self._read(bill, at)
        return invoice if invoice.total_minor > 0 else None

    async def _adjust(self, adjustment: Adjustment, at: datetime) -> None:
        await adjust_ledger(self._story.tenant(at), adjustment)

    async def _read(self, bill: Bill, at: datetime) -> Invoice:
        async with self._story.tenant(at).read() as tx:
            (invoice,) = await load_invoices(tx, [bill.invoice_id], with_drafts=True)
        return invoice
