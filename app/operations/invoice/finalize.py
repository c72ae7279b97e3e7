"""invoice.finalize: DRAFT > FINALIZED."""

from uuid import UUID

from app.domain.audit import Change
from app.store.audit import record
from app.store.finalization import finalize_draft
from app.store.invoice import lock_invoice
from app.store.subscription import reopen_billing
from app.store.tenancy import TenantDatabase


async def finalize_invoice(
    db: TenantDatabase, invoice_id: UUID, *, due_in_days: int | None, expected_version: int | None
) -> None:
    """Number the draft and lock its lines; from here on only a void or a credit changes what is owed.

    Raises NotFound, VersionConflict, InvalidState, Invalid. One transaction: number, entry and audit record stand or
    fall together.
    """
    async with db.write() as tx:
        draft = await lock_invoice(tx, invoice_id)
        final = await finalize_draft(tx, draft.expecting(expected_version), due_in_days)
        if final.subscription_id is not None:
            await reopen_billing(tx, final.subscription_id, since=tx.now)
        await record(
            tx, "invoice.finalize", final.id, {"status": Change(draft.status, final.status), "number": final.number}
        )
