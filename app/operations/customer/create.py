"""customer.create."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain.text import email, metadata, optional_text, text
from app.store.audit import record
from app.store.customer import insert_customer
from app.store.inbox import match_waiting
from app.store.query import new_id
from app.store.tenancy import TenantDatabase


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """What a new customer is made of; the organization's currency where none is given."""

    name: str
    email: str | None = None
    external_id: str | None = None
    currency: str | None = None
    address: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] | None = None


async def create_customer(db: TenantDatabase, new: NewCustomer) -> UUID:
    """Store a customer, match the usage events that waited for it, and give its id. Raises Invalid, AlreadyExists."""
    async with db.write() as tx:
        customer_id = new_id()
        external_id = optional_text(new.external_id, "externalId", longest=255)
        await insert_customer(
            tx,
            id=customer_id,
            name=text(new.name, "name"),
            email=email(new.email, "email"),
            external_id=external_id,
            currency=new.currency or tx.facts.default_currency,
            address=new.address,
            properties=metadata(new.metadata, "metadata"),
            is_default=False,
            created_at=tx.now,
            updated_at=tx.now,
        )
        if external_id is not None:
            await match_waiting(tx, external_customer_id=external_id)
        await record(tx, "customer.create", customer_id)
        return customer_id
