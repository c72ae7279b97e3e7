"""invoice.mark_paid: money came in outside the gateway."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.audit import differences
from app.domain.errors import Invalid
from app.domain.invoice import Invoice
from app.domain.ledger import EntryType
from app.domain.text import optional_text
from app.store.audit import record
from app.store.invoice import lock_invoice, save_invoice
from app.store.ledger import StatementEntry, post
from app.store.tenancy import TenantDatabase


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came in: all that is due where `amount` (minor units) is left out; now where `paid_at` is."""

    amount: int | None
    paid_at: datetime | None
    external_reference: str | None
    expected_version: int | None


async def mark_invoice_paid(db: TenantDatabase, invoice_id: UUID, receipt: Receipt) -> None:
    """Count a payment: the invoice is PAID once all is in, and what is beyond it stays as the customer's credit.

    Raises NotFound, VersionConflict, InvalidState, Invalid. One transaction with the PAYMENT and the audit record.
    """
    reference = optional_text(receipt.external_reference, "externalReference", longest=255)
    async with db.write() as tx:
        invoice = await lock_invoice(tx, invoice_id)
        at = receipt.paid_at or tx.now
        if at > tx.now:
            raise Invalid("A payment cannot come in later than now.", "paidAt")
        paid, received = invoice.expecting(receipt.expected_version).paid(receipt.amount, at=at)
        beyond = received - (paid.amount_paid - invoice.amount_paid)
        await save_invoice(tx, paid)
        await post(
            tx,
            StatementEntry(
                customer_id=paid.customer_id,
                type=EntryType.PAYMENT,
                amount=received,
                currency=paid.currency,
                description=f"Payment of {paid.number}",
                cause=f"invoice.mark_paid:{paid.id}:{paid.version}",
                invoice_id=paid.id,
                external_reference=reference,
                effective_at=at,
                kept=beyond,
                kept_description=f"Paid beyond {paid.number}: kept as credit",
            ),
        )
        changed = differences(_shown(invoice), _shown(paid))
        await record(tx, "invoice.mark_paid", paid.id, {**changed, "amount": received})


def _shown(invoice: Invoice) -> dict[str, object]:
    return {"status": invoice.status, "amountPaid": invoice.amount_paid}
