"""customerCreate, customerUpdate."""

import strawberry

from app.api.ids import CUSTOMER, uuid_of
from app.api.loaders.customer import CustomerLoader
from app.api.mutations.payload import Change, Payload, left_out, result
from app.api.permission import Writes
from app.api.scalars import CurrencyCode, Metadata
from app.api.tenancy import Info
from app.api.types.customer import Customer
from app.api.types.input import address_document, changes, given
from app.api.types.money import AddressInput
from app.domain.errors import Invalid
from app.domain.text import email, metadata, optional_text, text
from app.operations.customer.create import NewCustomer, create_customer
from app.operations.customer.update import update_customer


@strawberry.input(description="A new customer.")
class CustomerCreateInput(Change):
    """A new customer."""

    name: str = strawberry.field(description="Its name.")
    email: str | None = left_out("Where bills are sent.")
    external_id: str | None = left_out("The id that the organization's own system uses; unique.")
    currency: CurrencyCode | None = left_out(
        "What it pays in: the organization's default currency where it is left out. It never changes."
    )
    address: AddressInput | None = left_out("Its postal address.")
    metadata: Metadata | None = left_out("Whatever the organization keeps with it.")


@strawberry.input(description="Changes to a customer; what is left out stays.")
class CustomerUpdateInput(Change):
    """Changes to a customer."""

    customer_id: strawberry.ID = strawberry.field(description="Which customer.")
    name: str | None = left_out("Its name; it cannot be taken away.")
    email: str | None = left_out("Where bills are sent; null takes it away.")
    external_id: str | None = left_out("The id that the organization's own system uses; null takes it away.")
    address: AddressInput | None = left_out("Its postal address; null takes it away.")
    metadata: Metadata | None = left_out("Whatever is kept with it, whole; null empties it.")


@strawberry.type(description="What came of a change to a customer.")
class CustomerPayload(Payload):
    """A customer, or why not."""

    customer: Customer | None = result("The customer as it is now.")


@strawberry.type
class CustomerMutations:
    """What can be done to customers."""

    @strawberry.mutation(extensions=[Writes("customer:create")], description="Makes a customer.")
    async def customer_create(self, info: Info, input: CustomerCreateInput) -> CustomerPayload:
        """Make a customer."""
        new = NewCustomer(
            name=input.name,
            email=given(input.email),
            external_id=given(input.external_id),
            currency=given(input.currency),
            address=address_document(input.address),
            metadata=given(input.metadata),
        )
        customer_id = await create_customer(info.context.db, new)
        return CustomerPayload(customer=await info.context.loaders.get(CustomerLoader).load(customer_id))

    @strawberry.mutation(extensions=[Writes("customer:update")], description="Changes a customer's particulars.")
    async def customer_update(self, info: Info, input: CustomerUpdateInput) -> CustomerPayload:
        """Change a customer."""
        changed = changes(
            input,
            {
                "name": _name,
                "email": lambda value: email(value, "email"),
                "external_id": lambda value: optional_text(value, "externalId", longest=255),
                "address": address_document,
                "metadata": lambda value: metadata(value, "metadata"),
            },
        )
        if "metadata" in changed:
            changed["properties"] = changed.pop("metadata")
        customer_id = uuid_of(CUSTOMER, input.customer_id)
        await update_customer(info.context.db, customer_id, changed)
        return CustomerPayload(customer=await info.context.loaders.get(CustomerLoader).load(customer_id))


def _name(value: str | None) -> str:
    if value is None:
        raise Invalid("A customer keeps a name: leave it out or give another.", "name")
    return text(value, "name")
