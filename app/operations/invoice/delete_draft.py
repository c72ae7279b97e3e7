"""invoice.delete_draft: a draft goes without a trace but its audit record, and wastes no number."""

from uuid import UUID

from app.store.audit import record
from app.store.invoice import delete_invoice, lock_invoice
from app.store.subscription import reopen_billing
from app.store.tenancy import TenantDatabase


async def delete_draft_invoice(db: TenantDatabase, invoice_id: UUID) -> None:
    """Delete a draft with its lines. Raises NotFound, InvalidState where it is no draft."""
    async with db.write() as tx:
        invoice = await lock_invoice(tx, invoice_id)
        invoice.deleted()
        await delete_invoice(tx, invoice_id)
        if invoice.subscription_id is not None:
            await reopen_billing(tx, invoice.subscription_id, since=invoice.period.start)
        await record(tx, "invoice.delete_draft", invoice_id)
