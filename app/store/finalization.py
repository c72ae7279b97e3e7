"""Finalizing drafts, one or many: lock them, number them in their order, charge their customers."""

from collections.abc import Sequence

from app.domain.invoice import DUE_IN_DAYS, Invoice
from app.domain.ledger import EntryType
from app.store.invoice import draw_numbers, save_invoices
from app.store.ledger import StatementEntry, post_all
from app.store.tenancy import WriteTransaction


async def finalize_draft(tx: WriteTransaction, draft: Invoice, due_in_days: int | None = None) -> Invoice:
    """Lock a draft, draw its number and charge its customer: `finalize_drafts` of one."""
    (final,) = await finalize_drafts(tx, [draft], due_in_days)
    return final


async def finalize_drafts(
    tx: WriteTransaction, drafts: Sequence[Invoice], due_in_days: int | None = None
) -> list[Invoice]:
    """Lock drafts, number them in their order and post them, with as many statements for many as for one.

    A total of 0 is PAID at once, with a number and no entry; one below 0 is PAID too, and its CREDIT is kept as the
    customer's credit. Raises InvalidState, Invalid; then, or where the transaction fails, all of it is undone (M11).
    """
    days = DUE_IN_DAYS if due_in_days is None else due_in_days
    locked = [draft.finalized(at=tx.now, due_in_days=days) for draft in drafts]
    numbers = await draw_numbers(tx, len(locked))
    finals = [invoice.numbered(number) for invoice, number in zip(locked, numbers, strict=True)]
    if finals:
        await save_invoices(tx, finals)
    await post_all(tx, [_entry(invoice) for invoice in finals if invoice.totals.total])
    return finals


def _entry(final: Invoice) -> StatementEntry:
    total = final.totals.total
    return StatementEntry(
        customer_id=final.customer_id,
        type=EntryType.CHARGE if total > 0 else EntryType.CREDIT,
        amount=abs(total),
        kept=max(0, -total),
        currency=final.currency,
        description=f"Invoice {final.number}",
        cause=f"invoice.finalize:{final.id}",
        invoice_id=final.id,
    )
