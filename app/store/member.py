"""Members: added, removed and listed here; `system.py` finds them before a tenant is known."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from app.domain.errors import AlreadyExists, NotFound
from app.store.page import Listing, newest_first
from app.store.query import Relation, any_of, parameter
from app.store.tables import Member
from app.store.tenancy import Transaction, WriteTransaction

members = Relation(Member)
MemberRow = members.row

_BY_ID: Final = members.where(members.c.id == any_of("ids"))

_INSERT: Final = members.insert()

_DELETE: Final = members.query(
    sa.delete(members.table)
    .where(members.in_tenant, members.c.id == parameter("id", sa.Uuid))
    .returning(*members.columns)
)

listing: Final = Listing(members, orders=newest_first(members))


async def load_members(tx: Transaction, ids: Sequence[UUID]) -> list[Member]:
    """The members with those ids."""
    return await tx.fetch(_BY_ID, ids=list(ids))


async def insert_member(tx: WriteTransaction, **values: Any) -> None:
    """Store a member. Raises AlreadyExists where the subject is one already."""
    try:
        await tx.execute(_INSERT, **values)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(
            "This subject is a member already: remove it first to give it another role.", "subject"
        ) from error


async def delete_member(tx: WriteTransaction, id_: UUID) -> Member:
    """Remove a member and give it as it was; what it did stays in the audit records. Raises NotFound."""
    row = await tx.fetch_row(_DELETE, id=id_)
    if row is None:
        raise NotFound("No member has this id.", "memberId")
    return row
