"""invoice.void: FINALIZED > VOID, DRAFT > VOID."""

from uuid import UUID

from app.domain.audit import Change
from app.domain.invoice import InvoiceStatus
from app.domain.ledger import EntryType
from app.domain.text import LONG_MAX, optional_text
from app.store.audit import record
from app.store.invoice import lock_invoice, save_invoice
from app.store.ledger import StatementEntry, post
from app.store.subscription import reopen_billing
from app.store.tenancy import TenantDatabase


async def void_invoice(
    db: TenantDatabase, invoice_id: UUID, *, reason: str | None, expected_version: int | None
) -> None:
    """Take an invoice back for good: a CREDIT where it was charged; its number stays.

    What it accounted for is due again: the next billing run bills it, unless another invoice is made before (M16).

    Raises NotFound, VersionConflict, InvalidState. One transaction with the entry and the audit record.
    """
    why = optional_text(reason, "reason", longest=LONG_MAX)
    async with db.write() as tx:
        invoice = await lock_invoice(tx, invoice_id)
        void = invoice.expecting(expected_version).voided(at=tx.now)
        await save_invoice(tx, void)
        if void.subscription_id is not None:
            await reopen_billing(tx, void.subscription_id, since=void.period.start)
        if invoice.status is InvoiceStatus.FINALIZED:
            await post(
                tx,
                StatementEntry(
                    customer_id=void.customer_id,
                    type=EntryType.CREDIT,
                    amount=void.totals.total,
                    currency=void.currency,
                    description=f"Void of {void.number}" + (f": {why}" if why else ""),
                    cause=f"invoice.void:{void.id}",
                    invoice_id=void.id,
                ),
            )
        await record(tx, "invoice.void", void.id, {"status": Change(invoice.status, void.status)}, reason=why)
