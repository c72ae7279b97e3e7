"""Customers: by id, by the organization's own id, as a list."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from app.domain.errors import AlreadyExists, NotFound
from app.store.page import Listing, newest_first
from app.store.query import Columns, Relation, any_of, parameter
from app.store.tables import Customer
from app.store.tenancy import Transaction, WriteTransaction

customers = Relation(Customer)
CustomerRow = customers.row

_BY_ID: Final = customers.where(customers.c.id == any_of("ids"))
_BY_EXTERNAL_ID: Final = customers.where(customers.c.external_id == any_of("external_ids", sa.Text))
_DEFAULT: Final = customers.where(customers.c.is_default)
_LOCKED: Final = customers.query(customers.select(customers.c.id == parameter("id", sa.Uuid)).with_for_update())
_INSERT: Final = customers.insert()
_UPDATE: Final = customers.update("name", "email", "external_id", "address", "properties", "updated_at")

listing: Final = Listing(customers, orders=newest_first(customers))


async def load_customers(tx: Transaction, ids: Sequence[UUID], columns: Columns = None) -> list[Customer]:
    """The customers with those ids."""
    return await tx.fetch(_BY_ID.of(columns), ids=list(ids))


async def load_customers_by_external_id(tx: Transaction, external_ids: Sequence[str]) -> list[Customer]:
    """The customers that the organization's own system knows by those ids."""
    return await tx.fetch(_BY_EXTERNAL_ID, external_ids=list(external_ids))


async def load_default_customer(tx: Transaction) -> Customer:
    """The organization as its own customer."""
    row = await tx.fetch_row(_DEFAULT)
    if row is None:
        raise LookupError("The organization has no default customer.")
    return row


async def load_customer(tx: Transaction, customer_id: UUID) -> Customer | None:
    """The customer with that id."""
    return await tx.fetch_row(_BY_ID, ids=[customer_id])


async def find_customer(tx: Transaction, customer_id: UUID | None) -> Customer:
    """The customer with that id; the organization as its own where none is named. Raises NotFound."""
    customer = await load_default_customer(tx) if customer_id is None else await load_customer(tx, customer_id)
    if customer is None:
        raise NotFound("No customer has this id.", "customerId")
    return customer


async def lock_customer(tx: WriteTransaction, customer_id: UUID) -> Customer | None:
    """The customer with that id, until the transaction ends nobody else's to change."""
    return await tx.fetch_row(_LOCKED, id=customer_id)


async def insert_customer(tx: WriteTransaction, **values: Any) -> None:
    """Store a customer. Raises AlreadyExists where its external id is taken."""
    try:
        await tx.execute(_INSERT, **values)
    except asyncpg.UniqueViolationError as error:
        raise _taken() from error


async def update_customer(tx: WriteTransaction, **values: Any) -> None:
    """Change a customer's attributes. Raises AlreadyExists where its external id is taken."""
    try:
        await tx.execute(_UPDATE, **values)
    except asyncpg.UniqueViolationError as error:
        raise _taken() from error


def _taken() -> AlreadyExists:
    return AlreadyExists("A customer has this external id already.", "externalId")
