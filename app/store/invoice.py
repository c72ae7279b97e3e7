"""Invoices, their lines and their numbers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from app.domain.charge import ChargeLine, Explanation, LineItemKind
from app.domain.errors import AlreadyExists, NotFound
from app.domain.invoice import BillingReason, InvoiceStatus, PaymentState, Totals, invoice_number
from app.domain.invoice import Invoice as DomainInvoice
from app.domain.period import Period
from app.store.page import Key, Listing
from app.store.query import Columns, Query, Relation, any_of, columns_of, new_id, parameter
from app.store.tables import Invoice, InvoiceLineItem
from app.store.tenancy import Transaction, WriteTransaction

invoices = Relation(Invoice)
invoice_line_items = Relation(InvoiceLineItem)
InvoiceRow = invoices.row
InvoiceLineItemRow = invoice_line_items.row

EARLIEST: Final = datetime(1000, 1, 1, tzinfo=UTC)
"""Stands for an instant that is not there, where a list is ordered by it. The driver sends year 1 as minus infinity."""

_shown = sa.or_(parameter("with_drafts", sa.Boolean), invoices.c.finalized_at.is_not(None))
"""What was never finalized is hidden from viewers without `invoice:draft` (E3)."""

_BY_ID: Final = invoices.where(invoices.c.id == any_of("ids"), _shown)
_BY_NUMBER: Final = invoices.where(invoices.c.number == parameter("number", sa.Text))
_LOCKED: Final = invoices.query(invoices.select(invoices.c.id == parameter("id", sa.Uuid)).with_for_update())
_INSERT_MANY: Final = invoices.insert_many()
_UPDATE: Final = invoices.update_many(
    "number",
    "status",
    "payment_state",
    "subtotal_minor",
    "discount_minor",
    "tax_minor",
    "total_minor",
    "amount_paid_minor",
    "due_at",
    "finalized_at",
    "paid_at",
    "voided_at",
    "notes",
    "version",
    "updated_at",
)
_DELETE: Final = invoices.delete(invoices.c.id == parameter("id", sa.Uuid))
_DELETE_LINES: Final = invoice_line_items.delete(invoice_line_items.c.invoice_id == parameter("invoice_id", sa.Uuid))
_DELETE_LINE: Final = invoice_line_items.delete(
    invoice_line_items.c.invoice_id == parameter("invoice_id", sa.Uuid),
    invoice_line_items.c.id == parameter("id", sa.Uuid),
)
_DELETE_GENERATED: Final = invoice_line_items.delete(
    invoice_line_items.c.invoice_id == parameter("invoice_id", sa.Uuid), invoice_line_items.c.plan_id.is_not(None)
)
_SET_COVERS: Final = invoices.update("covers")
_LINES: Final = invoice_line_items.rows(
    invoice_line_items.select(invoice_line_items.c.invoice_id == any_of("invoice_ids")).order_by(
        invoice_line_items.c.invoice_id, invoice_line_items.c.sort_order
    )
)
_LINES_BY_ID: Final = invoice_line_items.where(
    invoice_line_items.c.id == any_of("ids"),
    invoice_line_items.c.invoice_id.in_(sa.select(invoices.c.id).where(invoices.in_tenant, _shown)),
)
_INSERT_LINES: Final = invoice_line_items.insert_many()
_DRAW_NUMBERS: Final = Query(
    """
    insert into invoice_numbers (organization_id, year, last_value) values (:organization_id, :year, :count)
    on conflict (organization_id, year) do update set last_value = invoice_numbers.last_value + excluded.last_value
    returning last_value
    """
)


def _nullable(attribute: str) -> Key:
    stand_in = sa.literal_column("timestamptz '1000-01-01 00:00:00+00'", sa.DateTime(timezone=True))
    return Key(attribute, sa.func.coalesce(invoices.c[attribute], stand_in), missing=EARLIEST)


_id = Key("id", invoices.c.id)

listing: Final = Listing(
    invoices,
    orders={
        "created_at": [Key("created_at", invoices.c.created_at), _id],
        "finalized_at": [_nullable("finalized_at"), _id],
        "due_at": [_nullable("due_at"), _id],
        "total": [Key("total_minor", invoices.c.total_minor), _id],
    },
    filters={
        "with_drafts": _shown,
        "status": invoices.c.status == any_of("status", sa.Text),
        "payment_state": invoices.c.payment_state == any_of("payment_state", sa.Text),
        "customer_id": invoices.c.customer_id == parameter("customer_id", sa.Uuid),
        "subscription_id": invoices.c.subscription_id == parameter("subscription_id", sa.Uuid),
        "number": invoices.c.number == parameter("number", sa.Text),
        "finalized_from": invoices.c.finalized_at >= parameter("finalized_from", sa.DateTime(timezone=True)),
        "finalized_to": invoices.c.finalized_at < parameter("finalized_to", sa.DateTime(timezone=True)),
        "min_total": invoices.c.total_minor >= parameter("min_total", sa.BigInteger),
        "max_total": invoices.c.total_minor <= parameter("max_total", sa.BigInteger),
    },
    parents={"customer": invoices.c.customer_id, "subscription": invoices.c.subscription_id},
)


async def load_invoices(
    tx: Transaction, ids: Sequence[UUID], *, with_drafts: bool, columns: Columns = None
) -> list[Invoice]:
    """The invoices with those ids; without those that were never finalized, unless `with_drafts`."""
    return await tx.fetch(_BY_ID.of(columns), ids=list(ids), with_drafts=with_drafts)


async def load_invoice_by_number(tx: Transaction, number: str) -> Invoice | None:
    """The invoice with that number."""
    return await tx.fetch_row(_BY_NUMBER, number=number)


async def load_lines(tx: Transaction, invoice_ids: Sequence[UUID], columns: Columns = None) -> list[InvoiceLineItem]:
    """The lines of those invoices, in their order."""
    return await tx.fetch(_LINES.of(columns), invoice_ids=list(invoice_ids))


async def load_lines_by_id(tx: Transaction, ids: Sequence[UUID], *, with_drafts: bool) -> list[InvoiceLineItem]:
    """The lines with those ids, where their invoice is shown."""
    return await tx.fetch(_LINES_BY_ID, ids=list(ids), with_drafts=with_drafts)


async def lock_invoice(tx: WriteTransaction, invoice_id: UUID) -> DomainInvoice:
    """The invoice with that id, until the transaction ends nobody else's to change. Raises NotFound."""
    row = await tx.fetch_row(_LOCKED, id=invoice_id)
    if row is None:
        raise NotFound("No invoice has this id.", "invoiceId")
    return _domain(row)


async def insert_invoices(
    tx: WriteTransaction, drafts: Sequence[DomainInvoice], covers: Sequence[Mapping[str, Any] | None]
) -> None:
    """Store new drafts, each with what it accounts for.

    Raises AlreadyExists where a subscription's period has a live invoice.
    """
    try:
        await tx.execute(
            _INSERT_MANY,
            **columns_of(
                [
                    {
                        "customer_id": invoice.customer_id,
                        "subscription_id": invoice.subscription_id,
                        "reason": invoice.reason,
                        "period_start": invoice.period.start,
                        "period_end": invoice.period.end,
                        "currency": invoice.currency,
                        "covers": document,
                        "properties": {},
                        "created_at": tx.now,
                        **_changing(invoice, tx.now),
                    }
                    for invoice, document in zip(drafts, covers, strict=True)
                ]
            ),
        )
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(
            "This period has an invoice already: finalize it, or void or delete it first.", "period"
        ) from error


async def save_invoice(tx: WriteTransaction, invoice: DomainInvoice) -> None:
    """Store what changed in an invoice's life."""
    await save_invoices(tx, [invoice])


async def save_invoices(tx: WriteTransaction, changed: Sequence[DomainInvoice]) -> None:
    """Store what changed in the lives of one invoice or more, in one statement."""
    await tx.execute(_UPDATE, **columns_of([_changing(invoice, tx.now) for invoice in changed]))


async def delete_invoice(tx: WriteTransaction, invoice_id: UUID) -> None:
    """Delete a draft with its lines; the database refuses any other."""
    await tx.execute(_DELETE_LINES, invoice_id=invoice_id)
    await tx.execute(_DELETE, id=invoice_id)


async def insert_lines(
    tx: WriteTransaction, lines_of: Iterable[tuple[DomainInvoice, Iterable[ChargeLine]]], *, first: int = 0
) -> None:
    """Store lines of drafts; those of each are numbered from `first` on."""
    rows = [
        {
            "id": new_id(),
            "invoice_id": invoice.id,
            "kind": line.kind,
            "description": line.description,
            "feature_key": line.feature_key,
            "quantity": line.quantity,
            "unit_price": line.unit_price,
            "amount_minor": line.amount,
            "currency": invoice.currency,
            "period_start": None if line.period is None else line.period.start,
            "period_end": None if line.period is None else line.period.end,
            "sort_order": order,
            "plan_id": line.plan_id,
            "explanation": document_from_explanation(line.explanation),
        }
        for invoice, lines in lines_of
        for order, line in enumerate(lines, first)
    ]
    if rows:
        await tx.execute(_INSERT_LINES, **columns_of(rows))


async def replace_generated_lines(
    tx: WriteTransaction, draft: DomainInvoice, lines: Sequence[ChargeLine], covers: Mapping[str, Any]
) -> DomainInvoice:
    """Put new lines in place of those that a plan gave to a draft; lines by hand stay."""
    await tx.execute(_DELETE_GENERATED, invoice_id=draft.id)
    by_hand = await load_lines(tx, [draft.id])
    first = 1 + max((line.sort_order for line in by_hand), default=-1)
    await insert_lines(tx, [(draft, lines)], first=first)
    changed = draft.with_lines([*kinds_and_amounts(by_hand), *((line.kind, line.amount) for line in lines)])
    await save_invoice(tx, changed)
    await tx.execute(_SET_COVERS, id=draft.id, covers=covers)
    return changed


async def delete_line(tx: WriteTransaction, invoice_id: UUID, line_id: UUID) -> bool:
    """Delete a line of a draft; whether it was there."""
    return await tx.execute(_DELETE_LINE, invoice_id=invoice_id, id=line_id) == 1


async def draw_numbers(tx: WriteTransaction, count: int) -> list[str]:
    """Draw the next numbers of the organization's year, in its time zone; a rollback gives them back (M11)."""
    if not count:
        return []
    year = tx.now.astimezone(tx.facts.zone).year
    last = await tx.fetch_value(_DRAW_NUMBERS, year=year, count=count)
    return [invoice_number(year, value) for value in range(last - count + 1, last + 1)]


def document_from_explanation(explanation: Explanation) -> dict[str, Any]:
    """An explanation as it is stored: decimals as strings."""
    return {
        "used": _text(explanation.used),
        "included": _text(explanation.included),
        "billable": _text(explanation.billable),
        "usedBefore": _text(explanation.used_before),
        "billableBefore": _text(explanation.billable_before),
        "exact": _text(explanation.exact),
        "rounding": explanation.rounding,
        "steps": [
            {
                "description": step.description,
                "quantity": _text(step.quantity),
                "unitPrice": _text(step.unit_price),
                "amount": _text(step.amount),
            }
            for step in explanation.steps
        ],
    }


def kinds_and_amounts(lines: Iterable[InvoiceLineItem]) -> list[tuple[LineItemKind, int]]:
    """What the totals are made of."""
    return [(LineItemKind(line.kind), line.amount_minor) for line in lines]


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:f}"


def _changing(invoice: DomainInvoice, now: datetime) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "number": invoice.number,
        "status": invoice.status,
        "payment_state": invoice.payment_state,
        "subtotal_minor": invoice.totals.subtotal,
        "discount_minor": invoice.totals.discount,
        "tax_minor": invoice.totals.tax,
        "total_minor": invoice.totals.total,
        "amount_paid_minor": invoice.amount_paid,
        "due_at": invoice.due_at,
        "finalized_at": invoice.finalized_at,
        "paid_at": invoice.paid_at,
        "voided_at": invoice.voided_at,
        "notes": invoice.notes,
        "version": invoice.version,
        "updated_at": now,
    }


def _domain(row: Invoice) -> DomainInvoice:
    return DomainInvoice(
        id=row.id,
        customer_id=row.customer_id,
        subscription_id=row.subscription_id,
        currency=row.currency,
        reason=BillingReason(row.reason),
        period=Period(row.period_start, row.period_end),
        totals=Totals(row.subtotal_minor, row.discount_minor, row.tax_minor, row.total_minor),
        status=InvoiceStatus(row.status),
        payment_state=PaymentState(row.payment_state),
        amount_paid=row.amount_paid_minor,
        number=row.number,
        due_at=row.due_at,
        finalized_at=row.finalized_at,
        paid_at=row.paid_at,
        voided_at=row.voided_at,
        notes=row.notes,
        version=row.version,
    )
