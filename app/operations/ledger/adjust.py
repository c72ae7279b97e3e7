"""ledger.adjust: how a mistake on a statement is corrected."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.errors import CurrencyMismatch, Invalid, NotFound
from app.domain.ledger import EntryType
from app.domain.text import optional_text, text
from app.store.audit import record
from app.store.customer import load_customer, load_default_customer
from app.store.invoice import load_invoices
from app.store.ledger import StatementEntry, post
from app.store.query import new_id
from app.store.tenancy import TenantDatabase, WriteTransaction


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`amount` in minor units of `currency`: above 0 raises what is owed, below 0 lowers it."""

    customer_id: UUID | None
    amount: int
    currency: str
    description: str
    invoice_id: UUID | None
    effective_at: datetime | None
    external_reference: str | None


async def adjust_ledger(db: TenantDatabase, adjustment: Adjustment) -> UUID:
    """Post an ADJUSTMENT and give its entry's id. Raises NotFound, Invalid for an amount of 0, CurrencyMismatch."""
    description = text(adjustment.description, "description", longest=500)
    reference = optional_text(adjustment.external_reference, "externalReference", longest=255)
    async with db.write() as tx:
        customer_id = await _customer_id(tx, adjustment.customer_id)
        if adjustment.invoice_id is not None:
            await _check_invoice(tx, adjustment.invoice_id, customer_id, adjustment.currency)
        entry_id = await post(
            tx,
            StatementEntry(
                customer_id=customer_id,
                type=EntryType.ADJUSTMENT,
                amount=adjustment.amount,
                currency=adjustment.currency,
                description=description,
                cause=f"ledger.adjust:{new_id()}",
                invoice_id=adjustment.invoice_id,
                external_reference=reference,
                effective_at=adjustment.effective_at,
            ),
        )
        changes = {"amount": adjustment.amount, "currency": adjustment.currency}
        await record(tx, "ledger.adjust", entry_id, changes, of="ledger_entry")
        return entry_id


async def _customer_id(tx: WriteTransaction, customer_id: UUID | None) -> UUID:
    customer = await load_default_customer(tx) if customer_id is None else await load_customer(tx, customer_id)
    if customer is None:
        raise NotFound("No customer has this id.", "customerId")
    return customer.id


async def _check_invoice(tx: WriteTransaction, invoice_id: UUID, customer_id: UUID, currency: str) -> None:
    found = await load_invoices(tx, [invoice_id], with_drafts=False)
    if not found:
        raise NotFound("No finalized invoice has this id.", "invoiceId")
    if found[0].customer_id != customer_id:
        raise Invalid("The invoice is another customer's.", "invoiceId")
    if found[0].currency != currency:
        raise CurrencyMismatch(f"The invoice is in {found[0].currency}.", "currency")
