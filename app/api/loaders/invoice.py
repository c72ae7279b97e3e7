"""Invoices and their lines; those that were never finalized only for who may see them."""

from collections.abc import Sequence
from operator import attrgetter
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.invoice import load_invoices, load_lines, load_lines_by_id
from app.store.query import grouped, in_order_of
from app.store.tables import Invoice, InvoiceLineItem
from app.store.tenancy import Transaction


class InvoiceLoader(TenantLoader[UUID, Invoice | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Invoice | None]:
        """The invoice of each id."""
        columns = self.context.columns("Invoice", "id")
        rows = await load_invoices(tx, keys, with_drafts=self.context.sees_drafts, columns=columns)
        return in_order_of(keys, rows, lambda row: row.id)


class LinesLoader(TenantLoader[UUID, list[InvoiceLineItem]]):
    """The lines of an invoice, in their order."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[list[InvoiceLineItem]]:
        """The lines of each invoice."""
        rows = await load_lines(tx, keys, self.context.columns("InvoiceLineItem", "invoice_id"))
        return grouped(keys, rows, attrgetter("invoice_id"))


class LineLoader(TenantLoader[UUID, InvoiceLineItem | None]):
    """A line by id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[InvoiceLineItem | None]:
        """The line of each id."""
        rows = await load_lines_by_id(tx, keys, with_drafts=self.context.sees_drafts)
        return in_order_of(keys, rows, lambda row: row.id)
