"""Finalizing drafts: numbered, locked and charged, or none of it."""

from collections.abc import Sequence

from app.domain.invoice import DUE_IN_DAYS, Invoice
from app.domain.ledger import EntryType
from app.store.invoice import next_invoice_number, save_invoice
from app.store.ledger import StatementEntry, post
from app.store.tenancy import WriteTransaction


async def finalize_drafts(
    tx: WriteTransaction, drafts: Sequence[Invoice], due_in_days: int | None = None
) -> list[Invoice]:
    """Finalize many."""
    return [await finalize_draft(tx, draft, due_in_days) for draft in drafts]


async def finalize_draft(tx: WriteTransaction, draft: Invoice, due_in_days: int | None = None) -> Invoice:
    """Lock a draft, draw its number and charge its customer; all of it is undone where the transaction is (M11).

    Raises InvalidState, Invalid. A total of 0 is PAID at once, with a number and no entry.
    """
    final = draft.finalized(at=tx.now, due_in_days=DUE_IN_DAYS if due_in_days is None else due_in_days)
    number = await next_invoice_number(tx)
    final = final.numbered(number)
    await save_invoice(tx, final)
    if final.totals.total:
        await post(
            tx,
            StatementEntry(
                customer_id=final.customer_id,
                type=EntryType.CHARGE,
                amount=final.totals.total,
                currency=final.currency,
                description=f"Invoice {number}",
                cause=f"invoice.finalize:{final.id}",
                invoice_id=final.id,
            ),
        )
    return final
