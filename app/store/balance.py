"""Balances: what is owed now, what counted at an instant, what was known of it at another (B2, M43)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.store.query import Query
from app.store.tenancy import Transaction

_KEPT: Final = Query(
    """
    select customer_id, currency, balance_minor from accounts
    where organization_id = :organization_id and code = 'RECEIVABLE' and customer_id = any(:customer_ids ::uuid[])
    order by currency
    """
)
_TOTAL_KEPT: Final = Query(
    """
    select currency, sum(balance_minor)::bigint from accounts
    where organization_id = :organization_id and code = 'RECEIVABLE'
    group by currency order by currency
    """
)

_EACH_AT: Final = """
    from accounts r
    left join lateral (
      select e.customer_id, e.currency, e.sequence as entries, e.running_balance_minor as balance
      from ledger_entries e
      where e.organization_id = :organization_id and e.customer_id is not null
        and (e.customer_id, e.currency, e.created_at)
            <= (r.customer_id, r.currency, least(:as_of ::timestamptz, :known_at ::timestamptz))
      order by e.customer_id desc, e.currency desc, e.created_at desc, e.sequence desc limit 1
    ) as recorded on recorded.customer_id = r.customer_id and recorded.currency = r.currency
    cross join lateral (
      select sum(part.entries) as entries, sum(part.balance) as balance
      from (
        select class, coalesce(:as_of ::timestamptz + longest, 'infinity') as until
        from (values (0, interval '1 second'), (1, '1 minute'), (2, '1 hour'), (3, '24 hours'), (4, '168 hours'),
                     (5, '768 hours'), (6, '8784 hours'), (7, null)) as classes (class, longest)
        offset 0
      ) as shift
      cross join lateral (
        select sum(case when e.effective_at < e.created_at then 1 else -1 end) as entries,
               sum((e.debit_minor - e.credit_minor) * case when e.effective_at < e.created_at then 1 else -1 end)
                 as balance
        from ledger_entries e
        where e.organization_id = :organization_id and e.customer_id = r.customer_id and e.currency = r.currency
          and e.shift = shift.class
          and greatest(e.effective_at, e.created_at) > :as_of ::timestamptz
          and greatest(e.effective_at, e.created_at) <= shift.until
          and least(e.effective_at, e.created_at) <= :as_of ::timestamptz
          and e.created_at <= coalesce(:known_at ::timestamptz, 'infinity')
      ) as part
    ) as shifted
    where r.organization_id = :organization_id and r.code = 'RECEIVABLE'
      and coalesce(recorded.entries, 0) + coalesce(shifted.entries, 0) > 0
"""
"""What was recorded by the earlier of both instants, as the last running balance says; then the exceptions to it: the
entries whose two instants lie on either side of `as_of`. Recorded after it, but counting by then, they are added;
recorded by then, but counting after it, they are taken off.

Entries that are shifted are found by index, class by class of how far they are shifted, since one that is shifted by
less than an hour lies within an hour of `as_of`. So neither the history nor the exceptions are read whole, and it is
spelled so that the planner has no other way: rows are compared where only one index has their order, each class is an
aggregate of its own, and its bound a plain value, since row security keeps functions out of index conditions.
"""

_AT: Final = Query(
    f"""
    select r.customer_id, r.currency, (coalesce(recorded.balance, 0) + coalesce(shifted.balance, 0))::bigint
    {_EACH_AT} and r.customer_id = any(:customer_ids ::uuid[])
    order by r.currency
    """
)
_TOTAL_AT: Final = Query(
    f"""
    select r.currency, sum(coalesce(recorded.balance, 0) + coalesce(shifted.balance, 0))::bigint
    {_EACH_AT}
    group by r.currency order by r.currency
    """
)


async def load_customer_balances(
    tx: Transaction, customer_ids: Sequence[UUID], as_of: datetime | None, known_at: datetime | None
) -> list[Any]:
    """(customer, currency, minor units) of each: as kept, or of what counted and was known by then, both inclusive.

    A currency is there once an entry of it is let in.
    """
    if as_of is None and known_at is None:
        return await tx.fetch(_KEPT, customer_ids=list(customer_ids))
    return await tx.fetch(_AT, customer_ids=list(customer_ids), as_of=as_of, known_at=known_at)


async def load_total_balances(tx: Transaction, as_of: datetime | None, known_at: datetime | None) -> list[Any]:
    """(currency, minor units) that all customers owe together."""
    if as_of is None and known_at is None:
        return await tx.fetch(_TOTAL_KEPT)
    return await tx.fetch(_TOTAL_AT, as_of=as_of, known_at=known_at)
