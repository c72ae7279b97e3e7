"""invoiceGenerate, invoiceLineItemAdd, ...Remove, invoiceDeleteDraft, invoiceFinalize, invoiceMarkPaid, invoiceVoid."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import strawberry

from app.api.ids import CUSTOMER, INVOICE, INVOICE_LINE_ITEM, SUBSCRIPTION, optional_uuid_of, type_id, uuid_of
from app.api.loaders.invoice import InvoiceLoader
from app.api.mutations.payload import EXPECTED_VERSION, Change, Payload, left_out, result
from app.api.permission import Writes
from app.api.scalars import MinorUnits
from app.api.tenancy import Info
from app.api.types.input import given
from app.api.types.invoice import Invoice
from app.api.types.money import PeriodInput
from app.operations.invoice.delete_draft import delete_draft_invoice
from app.operations.invoice.finalize import finalize_invoice
from app.operations.invoice.generate import InvoiceRequest, generate_invoice
from app.operations.invoice.mark_paid import Receipt, mark_invoice_paid
from app.operations.invoice.void import void_invoice
from app.operations.invoice_line_item.add import NewLine, add_invoice_line_item
from app.operations.invoice_line_item.remove import remove_invoice_line_item


@strawberry.input(description="Which invoice to draft.")
class InvoiceGenerateInput(Change):
    """A draft to make."""

    subscription_id: strawberry.ID | None = left_out("Bill a period of this subscription.")
    customer_id: strawberry.ID | None = left_out(
        "Where subscriptionId is left out: an empty DRAFT for this customer (the default one where this is left out"
        " too)."
    )
    period: PeriodInput | None = left_out("The subscription's current period where it is left out.")
    notes: str | None = left_out("What it says below the lines.")


@strawberry.input(description="A line by hand.")
class InvoiceLineItemAddInput(Change):
    """A line to add."""

    invoice_id: strawberry.ID = strawberry.field(description="Which draft.")
    description: str = strawberry.field(description="What it says to the customer.")
    quantity: Decimal = strawberry.field(default=Decimal(1), description="How many units.")
    unit_price: Decimal = strawberry.field(description="Minor units per unit; negative is a discount.")
    expected_version: int | None = left_out(EXPECTED_VERSION)


@strawberry.input(description="A line to take off.")
class InvoiceLineItemRemoveInput(Change):
    """A line to take off."""

    invoice_id: strawberry.ID = strawberry.field(description="Which draft.")
    line_item_id: strawberry.ID = strawberry.field(description="Which of its lines.")
    expected_version: int | None = left_out(EXPECTED_VERSION)


@strawberry.input(description="Which draft to delete.")
class InvoiceDeleteDraftInput(Change):
    """A draft to delete."""

    invoice_id: strawberry.ID = strawberry.field(description="Which draft.")


@strawberry.type(description="What came of deleting a draft.")
class InvoiceDeleteDraftPayload(Payload):
    """A deleted draft's id, or why not."""

    deleted_id: strawberry.ID | None = result("The id that is no more.")


@strawberry.input(description="Which draft to finalize.")
class InvoiceFinalizeInput(Change):
    """A draft to finalize."""

    invoice_id: strawberry.ID = strawberry.field(description="Which draft.")
    due_in_days: int | None = left_out("30 where it is left out.")
    expected_version: int | None = left_out(EXPECTED_VERSION)


@strawberry.input(description="Money that came in outside the gateway.")
class InvoiceMarkPaidInput(Change):
    """A payment."""

    invoice_id: strawberry.ID = strawberry.field(description="Which invoice.")
    amount: MinorUnits | None = left_out("The rest that is due where it is left out; less is a partial payment.")
    paid_at: datetime | None = left_out("Now where it is left out.")
    external_reference: str | None = left_out("What the bank calls it.")
    expected_version: int | None = left_out(EXPECTED_VERSION)


@strawberry.input(description="Which invoice to take back.")
class InvoiceVoidInput(Change):
    """An invoice to void."""

    invoice_id: strawberry.ID = strawberry.field(description="Which invoice.")
    reason: str | None = left_out("Why; it stands on the statement.")
    expected_version: int | None = left_out(EXPECTED_VERSION)


@strawberry.type(description="What came of a change to an invoice.")
class InvoicePayload(Payload):
    """An invoice, or why not."""

    invoice: Invoice | None = result("The invoice as it is now; null to those who may not see drafts.")


@strawberry.type
class InvoiceMutations:
    """What can be done to invoices."""

    @strawberry.mutation(
        extensions=[Writes("invoice:generate")],
        description="A DRAFT for review: of a subscription's period, or empty for lines by hand.",
    )
    async def invoice_generate(self, info: Info, input: InvoiceGenerateInput) -> InvoicePayload:
        """Draft an invoice."""
        period = given(input.period)
        request = InvoiceRequest(
            subscription_id=optional_uuid_of(SUBSCRIPTION, given(input.subscription_id)),
            customer_id=optional_uuid_of(CUSTOMER, given(input.customer_id)),
            period=None if period is None else period.to_domain(),
            notes=given(input.notes),
        )
        return await _payload(info, await generate_invoice(info.context.db, request))

    @strawberry.mutation(extensions=[Writes("invoice_line_item:add")], description="Adds a line by hand to a draft.")
    async def invoice_line_item_add(self, info: Info, input: InvoiceLineItemAddInput) -> InvoicePayload:
        """Add a line."""
        invoice_id = uuid_of(INVOICE, input.invoice_id)
        line = NewLine(
            description=input.description,
            quantity=input.quantity,
            unit_price=input.unit_price,
            expected_version=given(input.expected_version),
        )
        await add_invoice_line_item(info.context.db, invoice_id, line)
        return await _payload(info, invoice_id)

    @strawberry.mutation(extensions=[Writes("invoice_line_item:remove")], description="Takes a line off a draft.")
    async def invoice_line_item_remove(self, info: Info, input: InvoiceLineItemRemoveInput) -> InvoicePayload:
        """Take a line off."""
        invoice_id = uuid_of(INVOICE, input.invoice_id)
        line_id = uuid_of(INVOICE_LINE_ITEM, input.line_item_id)
        await remove_invoice_line_item(
            info.context.db, invoice_id, line_id, expected_version=given(input.expected_version)
        )
        return await _payload(info, invoice_id)

    @strawberry.mutation(
        extensions=[Writes("invoice:delete_draft")],
        description="Deletes a draft. No number is wasted; a finalized invoice is voided instead.",
    )
    async def invoice_delete_draft(self, info: Info, input: InvoiceDeleteDraftInput) -> InvoiceDeleteDraftPayload:
        """Delete a draft."""
        invoice_id = uuid_of(INVOICE, input.invoice_id)
        await delete_draft_invoice(info.context.db, invoice_id)
        return InvoiceDeleteDraftPayload(deleted_id=strawberry.ID(type_id(INVOICE, invoice_id)))

    @strawberry.mutation(
        extensions=[Writes("invoice:finalize")],
        description="DRAFT > FINALIZED: locks it, gives it its number and due date, and charges the customer.",
    )
    async def invoice_finalize(self, info: Info, input: InvoiceFinalizeInput) -> InvoicePayload:
        """Finalize a draft."""
        invoice_id = uuid_of(INVOICE, input.invoice_id)
        await finalize_invoice(
            info.context.db,
            invoice_id,
            due_in_days=given(input.due_in_days),
            expected_version=given(input.expected_version),
        )
        return await _payload(info, invoice_id)

    @strawberry.mutation(
        extensions=[Writes("invoice:mark_paid")],
        description="Counts money that came in outside the gateway; PAID once all is in.",
    )
    async def invoice_mark_paid(self, info: Info, input: InvoiceMarkPaidInput) -> InvoicePayload:
        """Count a payment."""
        invoice_id = uuid_of(INVOICE, input.invoice_id)
        receipt = Receipt(
            amount=given(input.amount),
            paid_at=given(input.paid_at),
            external_reference=given(input.external_reference),
            expected_version=given(input.expected_version),
        )
        await mark_invoice_paid(info.context.db, invoice_id, receipt)
        return await _payload(info, invoice_id)

    @strawberry.mutation(
        extensions=[Writes("invoice:void")],
        description="Takes an invoice back for good: a CREDIT where it was charged. Its number stays.",
    )
    async def invoice_void(self, info: Info, input: InvoiceVoidInput) -> InvoicePayload:
        """Void an invoice."""
        invoice_id = uuid_of(INVOICE, input.invoice_id)
        await void_invoice(
            info.context.db,
            invoice_id,
            reason=given(input.reason),
            expected_version=given(input.expected_version),
        )
        return await _payload(info, invoice_id)


async def _payload(info: Info, invoice_id: UUID) -> InvoicePayload:
    found = await info.context.loaders.get(InvoiceLoader).load(invoice_id)
    return InvoicePayload(invoice=found)
