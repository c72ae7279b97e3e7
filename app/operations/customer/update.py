"""customer.update."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.domain.audit import Change, masked
from app.domain.errors import NotFound
from app.store.audit import record
from app.store.customer import lock_customer
from app.store.customer import update_customer as store_customer
from app.store.inbox import match_waiting
from app.store.tenancy import TenantDatabase


async def update_customer(db: TenantDatabase, customer_id: UUID, changes: Mapping[str, Any]) -> None:
    """Change those attributes of a customer, clean already; what is left out stays. Raises NotFound, AlreadyExists.

    Its audit record names the fields and hides their values, which are personal.
    """
    async with db.write() as tx:
        customer = await lock_customer(tx, customer_id)
        if customer is None:
            raise NotFound("No customer has this id.", "customerId")
        kept = {name: getattr(customer, name) for name in ("name", "email", "external_id", "address", "properties")}
        await store_customer(tx, id=customer_id, **(kept | dict(changes)), updated_at=tx.now)
        if changes.get("external_id"):
            await match_waiting(tx, external_customer_id=changes["external_id"])
        changed = {name: Change(masked(kept[name]), masked(value)) for name, value in changes.items()}
        await record(tx, "customer.update", customer_id, changed)
