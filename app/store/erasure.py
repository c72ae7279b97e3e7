"""Erasing a customer: what they are part of, and taking what says who they are out of the rows that may change."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import orjson

from app.domain.erasure import ERASED_NAME, Standing, without_values
from app.store.query import Query
from app.store.tenancy import Transaction, WriteTransaction

_STANDING: Final = Query(
    """
    select (select count(*) from subscriptions s
            where s.organization_id = :organization_id and s.customer_id = :customer_id
              and (s.cancel_at is null or s.cancel_at > :now or s.due_at is not null)) as live_subscriptions,
           (select count(*) from invoices i
            where i.organization_id = :organization_id and i.customer_id = :customer_id
              and i.status = 'DRAFT') as drafts,
           (select count(*) from invoices i
            where i.organization_id = :organization_id and i.customer_id = :customer_id
              and i.status = 'FINALIZED') as open_invoices,
           (select count(*) from accounts a
            where a.organization_id = :organization_id and a.customer_id = :customer_id
              and a.balance_minor <> 0) as balances
    """
)
_CUSTOMER: Final = Query(
    """
    update customers
    set name = :name, email = null, external_id = null, address = null, metadata = '{}', updated_at = :now
    where organization_id = :organization_id and id = :customer_id
    """
)
_SUBSCRIPTIONS: Final = Query(
    """
    update subscriptions set metadata = '{}', cancel_reason = null, updated_at = :now
    where organization_id = :organization_id and customer_id = :customer_id
    """
)
_WAITING: Final = Query(
    """
    delete from unmatched_usage_events
    where organization_id = :organization_id
      and (customer_id = :customer_id or external_customer_id = :external_id ::text)
    """
)
_ANSWERS: Final = Query(
    """
    select principal_id, field, key, answer from idempotency_records
    where organization_id = :organization_id and answer like any(:patterns ::text[])
    for update
    """
)
_ANSWER: Final = Query(
    """
    update idempotency_records set answer = :answer
    where organization_id = :organization_id and principal_id = :principal_id and field = :field and key = :key
    """
)


async def standing_of(tx: WriteTransaction, customer_id: UUID) -> Standing:
    """What the customer is part of at this instant."""
    row = await tx.fetch_row(_STANDING, customer_id=customer_id, now=tx.now)
    return Standing(**dict(row or {}))


async def erase(tx: WriteTransaction, customer_id: UUID, external_id: str | None) -> None:
    """Take what is personal out of the customer and their subscriptions; drop the usage that waits for them."""
    await tx.execute(_CUSTOMER, customer_id=customer_id, name=ERASED_NAME, now=tx.now)
    await tx.execute(_SUBSCRIPTIONS, customer_id=customer_id, now=tx.now)
    await tx.execute(_WAITING, customer_id=customer_id, external_id=external_id)


async def erase_from_answers(tx: Transaction, values: Sequence[str]) -> None:
    """Take values out of the answers that are kept for idempotency keys."""
    if not values:
        return
    for row in await tx.fetch(_ANSWERS, patterns=[f"%{_literal(value)}%" for value in values]):
        answer = orjson.dumps(without_values(orjson.loads(row["answer"]), values)).decode()
        await tx.execute(_ANSWER, principal_id=row["principal_id"], field=row["field"], key=row["key"], answer=answer)


def _literal(value: str) -> str:
    """A value as it stands in JSON, for `like`."""
    spelled = orjson.dumps(value).decode()
    return spelled.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
