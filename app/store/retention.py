"""What may go: events of old hours that are billed as a whole, holds that ended long ago, counters that nobody needs.

What an hour's events came to stays for good.
"""

from datetime import datetime
from typing import Final

from app.store.query import Query
from app.store.tenancy import WriteTransaction
from app.store.usage_hour import THESE_HOURS

_SEAL: Final = Query(
    """
    with old as (
      select h.id from usage_hours h
      where h.organization_id = :organization_id and h.hour < :before ::timestamptz - interval '1 hour'
        and h.purged_at is null and h.subscription_id is not null
        and exists (
          select from invoices i cross join lateral jsonb_array_elements(i.covers -> 'usage') as u (span)
          where i.organization_id = :organization_id and i.subscription_id = h.subscription_id
            and i.period_end >= h.hour and i.status in ('FINALIZED', 'PAID')
            and (u.span ->> 0)::timestamptz <= h.hour and (u.span ->> 1)::timestamptz >= h.hour + interval '1 hour')
        and not exists (
          select from late_usage l
          where l.organization_id = :organization_id and l.subscription_id = h.subscription_id
            and l.first_at < h.hour + interval '1 hour' and l.last_at >= h.hour)
        and not exists (
          select from usage_events e
          join usage_corrections c on c.organization_id = :organization_id and c.usage_event_id = e.id
          where e.organization_id = :organization_id and e.subscription_id = h.subscription_id
            and e.meter_id = h.meter_id
            and e.occurred_at >= h.hour and e.occurred_at < h.hour + interval '1 hour')
      order by h.hour, h.id limit :most
      for no key update of h skip locked
    )
    update usage_hours h set purged_at = :now
    from old where h.organization_id = :organization_id and h.id = old.id
    returning h.id
    """
)
"""Hours that lie wholly in what an invoice bills, where nothing waits for a billing run, and nothing was corrected."""

_PURGE: Final = Query(
    f"""
    {THESE_HOURS}, gone as (
      delete from usage_events e using these h
      where e.organization_id = :organization_id
        and e.subscription_id = h.subscription_id and e.meter_id = h.meter_id and e.customer_id = h.customer_id
        and e.occurred_at >= h.hour and e.occurred_at < h.hour_end
      returning e.source, e.event_id
    )
    delete from usage_identities i using gone
    where i.organization_id = :organization_id and i.source = gone.source and i.event_id = gone.event_id
    """  # noqa: S608 - made of constants
)


_PURGE_HOLDS: Final = Query(
    """
    delete from reservations where organization_id = :organization_id and id in (
      select id from reservations where organization_id = :organization_id and status <> 'HELD' and ended_at < :before
      order by ended_at limit :most
    )
    """
)

_PURGE_COUNTERS: Final = Query(
    """
    delete from quota_counters where organization_id = :organization_id and id in (
      select c.id from quota_counters c
      where c.organization_id = :organization_id and c.period_start < :before and c.reserved = 0
        and not exists (
          select from reservations r where r.organization_id = :organization_id and r.counter_id = c.id)
      order by c.id limit :most
      for update skip locked
    )
    """
)
"""One that somebody is at stays; one that somebody waits for goes, and they make it anew."""


async def purge_hours(tx: WriteTransaction, before: datetime, most: int) -> int:
    """Seal up to so many hours that ended before an instant and delete their events, as the worker; how many hours.

    An hour that a span's boundary cuts is kept with its events: whoever bills the span again reads them.
    """
    sealed = [record[0] for record in await tx.fetch(_SEAL, before=before, most=most, now=tx.now)]
    if sealed:
        await tx.execute(_PURGE, ids=sealed)
    return len(sealed)


async def purge_holds(tx: WriteTransaction, before: datetime, most: int) -> int:
    """Delete up to so many reservations that ended before an instant, as the worker; how many."""
    return await tx.execute(_PURGE_HOLDS, before=before, most=most)


async def purge_counters(tx: WriteTransaction, before: datetime, most: int) -> int:
    """Delete up to so many counters of periods that began before an instant and have no reservation; how many."""
    return await tx.execute(_PURGE_COUNTERS, before=before, most=most)
