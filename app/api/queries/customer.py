"""Customers."""

from typing import Annotated, Any

import strawberry

from app.api.errors import BadUserInput
from app.api.ids import CUSTOMER, uuid_of
from app.api.loaders.customer import CustomerLoader
from app.api.pagination import Connection, ListRequest, PageArguments, Paged, connection_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.customer import Customer
from app.api.types.input import given
from app.store.customer import listing, load_customers_by_external_id


@strawberry.type
class CustomerQueries:
    """Customers by id and as a list."""

    @strawberry.field(
        extensions=[Reads("customer:read")],
        description="A customer by its id or by the organization's own id of it; null where there is none.",
    )
    async def customer(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="Its id, or else:")] = strawberry.UNSET,
        external_id: Annotated[
            str | None, strawberry.argument(description="The id that the organization's own system uses.")
        ] = strawberry.UNSET,
    ) -> Customer | None:
        """A customer."""
        return await _customer(info, given(id), given(external_id))

    @strawberry.field(extensions=[Reads("customer:read"), Paged()], description="The customers, the newest first.")
    async def customers(
        self,
        info: Info,
        page: PageArguments,
    ) -> Connection[Customer]:
        """A page of customers."""
        return await connection_of(info, listing, ListRequest(page, {}))


async def _customer(info: Info, id: str | None, external_id: str | None) -> Any:
    if (id is None) == (external_id is None):
        raise BadUserInput("Give `id` or `externalId`: one of them.")
    if id is not None:
        return await info.context.loaders.get(CustomerLoader).load(uuid_of(CUSTOMER, id))
    found = await load_customers_by_external_id(await info.context.db.snapshot(), [external_id or ""])
    return found[0] if found else None
