"""invoice_line_item.add: a line by hand on a draft."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.domain.audit import Change
from app.domain.charge import manual_line
from app.domain.errors import Invalid
from app.domain.invoice import LINE_ITEMS_MAX
from app.domain.text import text
from app.store.audit import record
from app.store.invoice import insert_lines, kinds_and_amounts, load_lines, lock_invoice, save_invoice
from app.store.tenancy import TenantDatabase


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line by hand: quantity x unit price in minor units; negative is a discount."""

    description: str
    quantity: Decimal
    unit_price: Decimal
    expected_version: int | None


async def add_invoice_line_item(db: TenantDatabase, invoice_id: UUID, new: NewLine) -> None:
    """Add a line to a draft and take its totals anew. Raises NotFound, VersionConflict, InvalidState, Invalid."""
    line = manual_line(text(new.description, "description", longest=500), new.quantity, new.unit_price)
    async with db.write() as tx:
        draft = await lock_invoice(tx, invoice_id)
        lines = await load_lines(tx, [invoice_id])
        if len(lines) >= LINE_ITEMS_MAX:
            raise Invalid(f"An invoice has at most {LINE_ITEMS_MAX:,} lines.", "invoiceId")
        changed = draft.expecting(new.expected_version).with_lines(
            [*kinds_and_amounts(lines), (line.kind, line.amount)]
        )
        first = lines[-1].sort_order + 1 if lines else 0
        await insert_lines(tx, [(changed, [line])], first=first)
        await save_invoice(tx, changed)
        total = Change(draft.totals.total, changed.totals.total)
        await record(tx, "invoice_line_item.add", invoice_id, {"amount": line.amount, "total": total}, of="invoice")
