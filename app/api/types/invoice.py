"""What a customer is asked to pay."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry

from app.api.ids import INVOICE, INVOICE_LINE_ITEM
from app.api.loaders.customer import CustomerLoader
from app.api.loaders.invoice import LinesLoader
from app.api.loaders.loader import batched, loaded
from app.api.loaders.plan import PlanLoader
from app.api.loaders.subscription import SubscriptionLoader
from app.api.pagination import Connection, PageArguments, Paged
from app.api.scalars import Metadata
from app.api.tenancy import Info
from app.api.types.enums import BillingReason, InvoiceStatus, LineItemKind, PaymentState
from app.api.types.filters import ledger_entries_under
from app.api.types.money import Money, Period, as_shown, money, money_field, period_field
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import CustomerRef, LedgerEntryRef, OrganizationRef, PlanRef, SubscriptionRef
from app.domain.charge import ChargeLine
from app.domain.period import Period as DomainPeriod
from app.store.adjustment import Adjustment
from app.store.billing import Priced
from app.store.invoice import InvoiceLineItemRow, InvoiceRow, document_from_explanation
from app.store.tables import Invoice as Row
from app.store.tables import InvoiceLineItem as LineRow


@strawberry.type(description="A step of a calculation.")
class PricingStep:
    """A step of a calculation."""

    description: str = strawberry.field(description="What it does, for people.")
    quantity: Decimal = strawberry.field(description="Of how many units.")
    unit_price: Decimal = strawberry.field(description="Minor units for each.")
    amount: Decimal = strawberry.field(description="Minor units, exact.")


@strawberry.type(description="Why an amount is what it is: written by the calculation itself.")
class LineItemExplanation:
    """Why an amount is what it is."""

    plan_id: strawberry.Private[UUID | None]
    plan: PlanRef | None = loaded(PlanLoader, "plan_id", "The plan version that priced it.")
    used: Decimal | None = strawberry.field(description="What was used.")
    included: Decimal | None = strawberry.field(description="What the base price covers.")
    billable: Decimal | None = strawberry.field(description="What is left to be priced.")
    used_before: Decimal | None = strawberry.field(
        description="ADJUSTMENT: what was used, as it was billed before; null where no one invoice says so."
    )
    billable_before: Decimal | None = strawberry.field(description="ADJUSTMENT: what was left to be priced of that.")
    steps: list[PricingStep] = strawberry.field(description="How the amount came to be; their amounts add up to it.")
    exact: Decimal = strawberry.field(description="The exact amount in minor units, before the one rounding.")
    rounding: str = strawberry.field(description="How it was rounded.")


@strawberry.type(description="A line of an invoice.")
class InvoiceLineItem(Node):
    """A line; its values are the store's rows."""

    id: strawberry.ID = id_field(INVOICE_LINE_ITEM)
    kind: LineItemKind = strawberry.field(description="What it is for.")
    description: str = strawberry.field(description="What it says to the customer.")
    feature_key: str | None = strawberry.field(description="USAGE: the plan's feature.")
    quantity: Decimal = strawberry.field(description="How many units are charged.")
    unit_price: Decimal | None = strawberry.field(
        description="Minor units per unit, at most 12 decimals; null where tiers give no single price."
    )
    amount: Money = money_field("amount_minor", "What it adds to the total; negative for a discount.")
    period: Period | None = period_field("period_start", "period_end", "What time it is for; null for a line by hand.")
    sort_order: int = strawberry.field(description="Its place on the invoice.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is a line's row."""
        return isinstance(value, InvoiceLineItemRow)

    @strawberry.field(description="Why this amount: written by the calculation itself.")
    def explanation(line: strawberry.Parent[LineRow]) -> LineItemExplanation:
        """The explanation as it was stored."""
        return explanation_of(line.explanation, line.plan_id)


@strawberry.type(description="What a customer is asked to pay.")
class Invoice(Node, OrganizationOwned):
    """An invoice; its values are the store's rows."""

    id: strawberry.ID = id_field(INVOICE)
    organization: OrganizationRef = owner_field()
    customer: CustomerRef = loaded(CustomerLoader, "customer_id", "Who is asked.")
    subscription: SubscriptionRef | None = loaded(
        SubscriptionLoader, "subscription_id", "What it bills; null for lines by hand alone."
    )
    number: str | None = strawberry.field(
        description="Null until it is finalized: INV-2026-0001. Gapless per issuer and year."
    )
    status: InvoiceStatus = strawberry.field(
        description="DRAFT > FINALIZED > PAID; FINALIZED > VOID; DRAFT > VOID; nothing else."
    )
    payment_state: PaymentState = strawberry.field(description="What came of asking for the money.")
    reason: BillingReason = strawberry.field(description="Why it was made.")
    line_items: list[InvoiceLineItem] = loaded(LinesLoader, "id", "What it asks for, in order.")
    subtotal: Money = money_field("subtotal_minor", "The sum of the lines, discounts apart.")
    discount: Money = money_field("discount_minor", "The sum of the discounts, as a positive amount.")
    tax: Money = money_field("tax_minor", "The tax.")
    total: Money = money_field("total_minor", "subtotal - discount + tax.")
    amount_paid: Money = money_field("amount_paid_minor", "What came in for it, up to its total.")
    period: Period = period_field("period_start", "period_end", "The span of time that it bills.")
    due_at: datetime | None = strawberry.field(description="When it is to be paid; null until it is finalized.")
    finalized_at: datetime | None = strawberry.field(description="When it was locked and charged.")
    paid_at: datetime | None = strawberry.field(description="When the last of it came in.")
    voided_at: datetime | None = strawberry.field(description="When it was taken back.")
    notes: str | None = strawberry.field(description="What it says below the lines.")
    version: int = strawberry.field(description="Grows with each change; give it as expectedVersion.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is an invoice's row."""
        return isinstance(value, InvoiceRow)

    @strawberry.field(description="What is still to be paid: 0 unless it is FINALIZED.")
    def amount_due(invoice: strawberry.Parent[Row]) -> Money:
        """What is due."""
        finalized = invoice.status == InvoiceStatus.FINALIZED
        return money(invoice.total_minor - invoice.amount_paid_minor if finalized else 0, invoice.currency)

    @strawberry.field(description="Whatever the organization keeps with it.")
    def metadata(invoice: strawberry.Parent[Row]) -> Metadata:
        """The metadata."""
        return Metadata(invoice.properties)

    @batched("id", "The entries on the customer's statement that belong to it.", [Paged()])
    def ledger_entries(info: Info, page: PageArguments) -> Connection[LedgerEntryRef]:
        """A page of its entries."""
        return as_shown(ledger_entries_under(info, "invoice", page, None))


@strawberry.type(description="A line of an invoice that is not made yet.")
class InvoiceLineItemPreview:
    """A line of a preview."""

    kind: LineItemKind = strawberry.field(description="What it is for.")
    description: str = strawberry.field(description="What it will say to the customer.")
    feature_key: str | None = strawberry.field(description="USAGE: the plan's feature.")
    quantity: Decimal = strawberry.field(description="How many units would be charged.")
    unit_price: Decimal | None = strawberry.field(
        description="Minor units per unit, at most 12 decimals; null where tiers give no single price."
    )
    amount: Money = strawberry.field(description="What it would add to the total.")
    explanation: LineItemExplanation = strawberry.field(description="Why this amount.")


@strawberry.type(description="An invoice that is not made yet.")
class InvoicePreview:
    """A preview."""

    period: Period = strawberry.field(description="The span of time that it would bill.")
    line_items: list[InvoiceLineItemPreview] = strawberry.field(description="What it would ask for, in order.")
    subtotal: Money = strawberry.field(description="The sum of the lines, discounts apart.")
    total: Money = strawberry.field(description="What it would ask for.")


def preview_of(bill: Priced) -> InvoicePreview:
    """What a bill would ask for."""
    return _invoice_preview(bill.due.period, bill.lines, bill.subscription.plan.currency)


def preview_of_adjustment(adjustment: Adjustment) -> InvoicePreview:
    """What an adjustment would ask for, or give back."""
    return _invoice_preview(adjustment.period, adjustment.lines, adjustment.subscription.plan.currency)


def _invoice_preview(period: DomainPeriod, lines: Sequence[ChargeLine], currency: str) -> InvoicePreview:
    total = sum(line.amount for line in lines)
    return InvoicePreview(
        period=as_shown(period),
        line_items=[_preview(line, currency) for line in lines],
        subtotal=money(total, currency),
        total=money(total, currency),
    )


def explanation_of(document: Mapping[str, Any], plan_id: UUID | None) -> LineItemExplanation:
    """The explanation that a document holds."""
    return LineItemExplanation(
        plan_id=plan_id,
        used=_decimal(document["used"]),
        included=_decimal(document["included"]),
        billable=_decimal(document["billable"]),
        used_before=_decimal(document.get("usedBefore")),
        billable_before=_decimal(document.get("billableBefore")),
        steps=[
            PricingStep(
                description=step["description"],
                quantity=Decimal(step["quantity"]),
                unit_price=Decimal(step["unitPrice"]),
                amount=Decimal(step["amount"]),
            )
            for step in document["steps"]
        ],
        exact=Decimal(document["exact"]),
        rounding=document["rounding"],
    )


def _preview(line: ChargeLine, currency: str) -> InvoiceLineItemPreview:
    return InvoiceLineItemPreview(
        kind=line.kind,
        description=line.description,
        feature_key=line.feature_key,
        quantity=line.quantity,
        unit_price=line.unit_price,
        amount=money(line.amount, currency),
        explanation=explanation_of(document_from_explanation(line.explanation), line.plan_id),
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
