"""Invoices."""

from typing import Annotated, Any

import strawberry

from app.api.errors import BadUserInput
from app.api.ids import INVOICE, uuid_of
from app.api.loaders.invoice import InvoiceLoader
from app.api.pagination import Connection, PageArguments, Paged, connection_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.filters import InvoiceFilter, InvoiceOrder, invoice_list
from app.api.types.input import given
from app.api.types.invoice import Invoice
from app.store.invoice import listing, load_invoice_by_number


@strawberry.type
class InvoiceQueries:
    """Invoices by id, by number and as a list."""

    @strawberry.field(
        extensions=[Reads("invoice:read")],
        description="An invoice by its id or number; null where there is none, or none that the credential may see.",
    )
    async def invoice(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="Its id, or else:")] = strawberry.UNSET,
        number: Annotated[
            str | None, strawberry.argument(description="Its number, as in INV-2026-0001.")
        ] = strawberry.UNSET,
    ) -> Invoice | None:
        """An invoice."""
        return await _invoice(info, given(id), given(number))

    @strawberry.field(extensions=[Reads("invoice:read"), Paged()], description="The invoices, the newest first.")
    async def invoices(
        self,
        info: Info,
        page: PageArguments,
        filter: InvoiceFilter | None = strawberry.UNSET,
        order_by: InvoiceOrder | None = strawberry.UNSET,
    ) -> Connection[Invoice]:
        """A page of invoices."""
        return await connection_of(info, listing, invoice_list(info, page, filter, order_by))


async def _invoice(info: Info, id: str | None, number: str | None) -> Any:
    if (id is None) == (number is None):
        raise BadUserInput("Give `id` or `number`: one of them.")
    if id is not None:
        found = await info.context.loaders.get(InvoiceLoader).load(uuid_of(INVOICE, id))
    else:
        found = await load_invoice_by_number(await info.context.db.snapshot(), number or "")
    if found is not None:
        info.context.looked_at("invoice", found.id)
    return found
