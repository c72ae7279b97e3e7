"""invoice_line_item.remove: a line of a draft goes."""

from uuid import UUID

from app.domain.audit import Change
from app.domain.errors import NotFound
from app.store.audit import record
from app.store.invoice import delete_line, kinds_and_amounts, load_lines, lock_invoice, save_invoice
from app.store.tenancy import TenantDatabase


async def remove_invoice_line_item(
    db: TenantDatabase, invoice_id: UUID, line_item_id: UUID, *, expected_version: int | None
) -> None:
    """Take a line off a draft and take its totals anew. Raises NotFound, VersionConflict, InvalidState."""
    async with db.write() as tx:
        draft = await lock_invoice(tx, invoice_id)
        left = [line for line in await load_lines(tx, [invoice_id]) if line.id != line_item_id]
        changed = draft.expecting(expected_version).with_lines(kinds_and_amounts(left))
        if not await delete_line(tx, invoice_id, line_item_id):
            raise NotFound("The invoice has no line with this id.", "lineItemId")
        await save_invoice(tx, changed)
        total = Change(draft.totals.total, changed.totals.total)
        await record(tx, "invoice_line_item.remove", invoice_id, {"total": total}, of="invoice")
