"""The life of an invoice: DRAFT > FINALIZED > PAID; FINALIZED > VOID; DRAFT > VOID; nothing else (E3, E4)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.domain.charge import ChargeLine, LineItemKind
from app.domain.errors import Invalid, InvalidState, VersionConflict
from app.domain.money import MINOR_MAX
from app.domain.period import Period


class InvoiceStatus(StrEnum):
    """Where an invoice is in its life."""

    DRAFT = "DRAFT"
    FINALIZED = "FINALIZED"
    PAID = "PAID"
    VOID = "VOID"


class PaymentState(StrEnum):
    """What came of asking for the money, beside the status (M48)."""

    UNPAID = "UNPAID"
    PARTIALLY_PAID = "PARTIALLY_PAID"
    PAID = "PAID"
    REFUNDED = "REFUNDED"
    DISPUTED = "DISPUTED"
    UNCOLLECTIBLE = "UNCOLLECTIBLE"


class BillingReason(StrEnum):
    """Why an invoice was made."""

    PERIOD = "PERIOD"
    PLAN_CHANGE = "PLAN_CHANGE"
    CANCELLATION = "CANCELLATION"
    MANUAL = "MANUAL"
    ADJUSTMENT = "ADJUSTMENT"


TRANSITIONS: dict[InvoiceStatus, frozenset[InvoiceStatus]] = {
    InvoiceStatus.DRAFT: frozenset({InvoiceStatus.FINALIZED, InvoiceStatus.VOID}),
    InvoiceStatus.FINALIZED: frozenset({InvoiceStatus.PAID, InvoiceStatus.VOID}),
    InvoiceStatus.PAID: frozenset(),
    InvoiceStatus.VOID: frozenset(),
}

DUE_IN_DAYS = 30
LINE_ITEMS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of an invoice's lines in minor units. `total` = `subtotal` - `discount` + `tax`."""

    subtotal: int
    discount: int
    tax: int
    total: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as its life needs it. Amounts in minor units of `currency`; instants by the tenant's clock."""

    id: UUID
    customer_id: UUID
    subscription_id: UUID | None
    currency: str
    reason: BillingReason
    period: Period
    totals: Totals
    status: InvoiceStatus = InvoiceStatus.DRAFT
    payment_state: PaymentState = PaymentState.UNPAID
    amount_paid: int = 0
    number: str | None = None
    due_at: datetime | None = None
    finalized_at: datetime | None = None
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    notes: str | None = None
    version: int = 1

    @property
    def amount_due(self) -> int:
        """What is still to be paid."""
        return self.totals.total - self.amount_paid if self.status is InvoiceStatus.FINALIZED else 0

    def expecting(self, version: int | None) -> "Invoice":
        """The same invoice, or VersionConflict where the caller saw another version of it."""
        if version is not None and version != self.version:
            raise VersionConflict(
                f"The invoice is at version {self.version}: read it again, then repeat the change.", "expectedVersion"
            )
        return self

    def with_lines(self, lines: Iterable[tuple[LineItemKind, int]]) -> "Invoice":
        """The draft with its totals taken from its lines' kinds and amounts. Raises InvalidState, Invalid."""
        self._only_draft("Lines can be changed")
        return replace(self, totals=totals_of(lines), version=self.version + 1)

    def finalized(self, *, at: datetime, due_in_days: int = DUE_IN_DAYS) -> "Invoice":
        """The draft, locked and due. A total of 0 or less goes on to PAID: nothing is due, and what is below 0 is owed
        to the customer. Its number is drawn last (see `numbered`). Raises InvalidState; Invalid where discounts go
        beyond what is charged.
        """
        self._to(InvoiceStatus.FINALIZED, "finalized")
        if not 0 <= due_in_days <= 3650:
            raise Invalid("Give 0 to 3650 days.", "dueInDays")
        if self.totals.total < min(0, self.totals.subtotal):
            raise Invalid("The total is negative: remove discounts until it is 0 or more.")
        free = self.totals.total <= 0
        return replace(
            self,
            status=InvoiceStatus.PAID if free else InvoiceStatus.FINALIZED,
            payment_state=PaymentState.PAID if free else PaymentState.UNPAID,
            paid_at=at if free else None,
            finalized_at=at,
            due_at=at + timedelta(days=due_in_days),
            version=self.version + 1,
        )

    def numbered(self, number: str) -> "Invoice":
        """The finalized invoice with its number."""
        return replace(self, number=number)

    def paid(self, amount: int | None, *, at: datetime) -> tuple["Invoice", int]:
        """The invoice once `amount` minor units came in (None: all that is due), and the amount that counts.

        What is paid beyond the rest stays with the customer as credit. Raises InvalidState, Invalid.
        """
        self._to(InvoiceStatus.PAID, "paid")
        received = self.amount_due if amount is None else amount
        if received <= 0:
            raise Invalid("Give an amount above 0.", "amount")
        if received > MINOR_MAX:
            raise Invalid("The amount is too large.", "amount")
        paid = min(self.amount_paid + received, self.totals.total)
        whole = paid == self.totals.total
        return (
            replace(
                self,
                status=InvoiceStatus.PAID if whole else self.status,
                payment_state=PaymentState.PAID if whole else PaymentState.PARTIALLY_PAID,
                amount_paid=paid,
                paid_at=at if whole else None,
                version=self.version + 1,
            ),
            received,
        )

    def voided(self, *, at: datetime) -> "Invoice":
        """The invoice, void for good; its number stays (M13). Raises InvalidState, also where money came in already."""
        self._to(InvoiceStatus.VOID, "voided")
        if self.amount_paid:
            raise InvalidState("Part of it is paid: adjust the ledger instead.", "invoiceId")
        return replace(self, status=InvoiceStatus.VOID, voided_at=at, version=self.version + 1)

    def deleted(self) -> None:
        """Raise InvalidState unless it is a draft; only drafts can be deleted."""
        self._only_draft("An invoice can be deleted")

    def _to(self, status: InvoiceStatus, verb: str) -> None:
        if status not in TRANSITIONS[self.status]:
            raise InvalidState(f"The invoice is {self.status} and cannot be {verb}.", "invoiceId")

    def _only_draft(self, what: str) -> None:
        if self.status is not InvoiceStatus.DRAFT:
            raise InvalidState(f"{what} only while it is a DRAFT; this one is {self.status}.", "invoiceId")


def drafted(
    *,
    invoice_id: UUID,
    customer_id: UUID,
    subscription_id: UUID | None,
    currency: str,
    reason: BillingReason,
    period: Period,
    lines: Iterable[ChargeLine],
    notes: str | None,
) -> Invoice:
    """A new DRAFT with the totals of its lines. Raises Invalid where they pass the bounds of an amount."""
    return Invoice(
        id=invoice_id,
        customer_id=customer_id,
        subscription_id=subscription_id,
        currency=currency,
        reason=reason,
        period=period,
        totals=totals_of((line.kind, line.amount) for line in lines),
        notes=notes,
    )


def totals_of(lines: Iterable[tuple[LineItemKind, int]]) -> Totals:
    """Sums over lines of (kind, minor units); DISCOUNT lines are negative and counted apart. Raises Invalid."""
    subtotal = discount = 0
    for kind, amount in lines:
        if kind is LineItemKind.DISCOUNT:
            discount -= amount
        else:
            subtotal += amount
    totals = Totals(subtotal=subtotal, discount=discount, tax=0, total=subtotal - discount)
    if max(abs(totals.subtotal), abs(totals.discount), abs(totals.total)) > MINOR_MAX:
        raise Invalid("The invoice's total would be too large: an amount is at most 2^53-1 minor units.")
    return totals


def invoice_number(year: int, sequence: int) -> str:
    """INV-2026-0001: at least four digits, and as many as it takes (M12)."""
    return f"INV-{year}-{sequence:04d}"
