"""Balances: what is owed now, what counted at an instant, what was known of it at another (B2, M43)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.store.query import Query
from app.store.tenancy import Transaction

_KEPT_BALANCES: Final = Query(
    """
    select customer_id, currency, balance_minor from accounts
    where organization_id = :organization_id and code = 'RECEIVABLE' and customer_id = any(:customer_ids ::uuid[])
    order by currency
    """
)
_BALANCES_AT: Final = Query(
    """
    select r.customer_id, r.currency, (coalesce(recorded.balance, 0) + coalesce(shifted.balance, 0))::bigint
    from accounts r
    left join lateral (
      select e.sequence as entries, e.running_balance_minor as balance
      from ledger_entries e
      where e.organization_id = :organization_id and e.customer_id = r.customer_id and e.currency = r.currency
        and e.created_at <= least(:as_of ::timestamptz, :known_at ::timestamptz)
      order by e.created_at desc, e.sequence desc limit 1
    ) as recorded on true
    left join lateral (
      select sum(case when e.effective_at < e.created_at then 1 else -1 end) as entries,
             sum((e.debit_minor - e.credit_minor) * case when e.effective_at < e.created_at then 1 else -1 end)
               as balance
      from ledger_entries e
      where e.organization_id = :organization_id and e.customer_id = r.customer_id and e.currency = r.currency
        and e.effective_at <> e.created_at and greatest(e.effective_at, e.created_at) > :as_of ::timestamptz
        and least(e.effective_at, e.created_at) <= :as_of ::timestamptz
        and e.created_at <= coalesce(:known_at ::timestamptz, 'infinity')
    ) as shifted on true
    where r.organization_id = :organization_id and r.code = 'RECEIVABLE' and r.customer_id = any(:customer_ids ::uuid[])
      and coalesce(recorded.entries, 0) + coalesce(shifted.entries, 0) > 0
    order by r.currency
    """
)
"""What was recorded by the earlier of both instants, as the last running balance says; then the exceptions to it:
entries that count from another instant than they were recorded at, and whose two instants lie around `as_of`.
Recorded later but counting by then, they are added; recorded by then but counting later, they are taken off.
"""
_TOTAL_BALANCES: Final = Query(
    """
    select currency, sum(balance_minor)::bigint from accounts
    where organization_id = :organization_id and code = 'RECEIVABLE'
    group by currency order by currency
    """
)
_TOTAL_BALANCES_AT: Final = Query(
    """
    select r.currency, sum(coalesce(recorded.balance, 0) + coalesce(shifted.balance, 0))::bigint
    from accounts r
    left join lateral (
      select e.sequence as entries, e.running_balance_minor as balance
      from ledger_entries e
      where e.organization_id = :organization_id and e.customer_id = r.customer_id and e.currency = r.currency
        and e.created_at <= least(:as_of ::timestamptz, :known_at ::timestamptz)
      order by e.created_at desc, e.sequence desc limit 1
    ) as recorded on true
    left join lateral (
      select sum(case when e.effective_at < e.created_at then 1 else -1 end) as entries,
             sum((e.debit_minor - e.credit_minor) * case when e.effective_at < e.created_at then 1 else -1 end)
               as balance
      from ledger_entries e
      where e.organization_id = :organization_id and e.customer_id = r.customer_id and e.currency = r.currency
        and e.effective_at <> e.created_at and greatest(e.effective_at, e.created_at) > :as_of ::timestamptz
        and least(e.effective_at, e.created_at) <= :as_of ::timestamptz
        and e.created_at <= coalesce(:known_at ::timestamptz, 'infinity')
    ) as shifted on true
    where r.organization_id = :organization_id and r.code = 'RECEIVABLE'
      and coalesce(recorded.entries, 0) + coalesce(shifted.entries, 0) > 0
    group by r.currency order by r.currency
    """
)
"""The same, of every receivable."""


async def load_customer_balances(
    tx: Transaction, customer_ids: Sequence[UUID], as_of: datetime | None, known_at: datetime | None
) -> list[Any]:
    """(customer, currency, minor units) of each: as kept, or of what counted and was known by then.

    A currency is there once an entry is let in. Never sums a whole history.
    """
    if as_of is None and known_at is None:
        return await tx.fetch(_KEPT_BALANCES, customer_ids=list(customer_ids))
    return await tx.fetch(_BALANCES_AT, customer_ids=list(customer_ids), as_of=as_of, known_at=known_at)


async def load_total_balances(tx: Transaction, as_of: datetime | None, known_at: datetime | None) -> list[Any]:
    """(currency, minor units) that all customers owe together."""
    if as_of is None and known_at is None:
        return await tx.fetch(_TOTAL_BALANCES)
    return await tx.fetch(_TOTAL_BALANCES_AT, as_of=as_of, known_at=known_at)
