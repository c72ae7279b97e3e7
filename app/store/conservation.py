"""Where every event of a period is: counted from what took it in, and from each place where it may be since.

What came in is counted by identities. Where events are is counted by hours, by the events themselves where an hour does
not lie wholly inside or outside of what is billed, by the inbox, and by corrections. Nothing is counted as the rest.
"""

from typing import Final, NamedTuple

from app.domain.period import Period
from app.domain.usage import ragged_edges, whole_hours
from app.store.query import Query
from app.store.tenancy import Transaction
from app.store.usage import CARRIER
from app.store.usage_hour import CORRECTED, COUNTS

_CARRIER_OF_EVENT: Final = CARRIER.format(
    customer_id="e.customer_id", meter_id="e.meter_id", occurred_at="e.occurred_at"
)

_RECEIVED: Final = Query(
    """
    select
      (select count(*) from usage_identities
       where organization_id = :organization_id and occurred_at >= :start and occurred_at < :end)
      + (select coalesce(sum(events), 0) from usage_hours
         where organization_id = :organization_id and hour >= :first_hour and hour < :last_hour
           and purged_at is not null)
    """
)
"""Of events that are no longer kept, their hours know how many there were."""

_ELSEWHERE: Final = Query(
    """
    select
      (select count(*) from unmatched_usage_events
       where organization_id = :organization_id and occurred_at >= :start and occurred_at < :end),
      (select count(*)
       from (select distinct on (usage_event_id) usage_event_id, quantity from usage_corrections
             where organization_id = :organization_id order by usage_event_id, sequence desc) c
       join usage_events e on e.organization_id = :organization_id and e.id = c.usage_event_id
         and e.occurred_at >= :start and e.occurred_at < :end
       where c.quantity = 0)
    """
)

_COUNTED: Final = Query(
    f"""
    with billed as (
      select i.subscription_id, range_agg(tstzrange((u.span ->> 0)::timestamptz, (u.span ->> 1)::timestamptz)) as spans
      from invoices i cross join lateral jsonb_array_elements(i.covers -> 'usage') as u (span)
      where i.organization_id = :organization_id and i.status in ('FINALIZED', 'PAID')
        and i.period_end >= :start and (u.span ->> 0)::timestamptz < :end and (u.span ->> 1)::timestamptz > :start
      group by 1
    ), late as (
      select subscription_id, recorded_at, range_agg(tstzrange(first_at, last_at, '[]')) as spans from late_usage
      where organization_id = :organization_id and first_at < :end and last_at >= :start
      group by 1, 2
    ), ever_late as (
      select subscription_id, range_agg(spans) as spans from late group by 1
    ), hours as (
      select h.customer_id, h.subscription_id, h.meter_id, h.hour, h.hour + interval '1 hour' as hour_end, h.events,
             case
               when h.subscription_id is null or l.spans && tstzrange(h.hour, h.hour + interval '1 hour') then 'mixed'
               when b.spans @> tstzrange(h.hour, h.hour + interval '1 hour') then 'billed'
               when b.spans && tstzrange(h.hour, h.hour + interval '1 hour') then 'mixed'
               else 'pending'
             end as place
      from usage_hours h
      left join billed b on b.subscription_id = h.subscription_id
      left join ever_late l on l.subscription_id = h.subscription_id
      where h.organization_id = :organization_id and h.hour >= :first_hour and h.hour < :last_hour and h.events > 0
    ), one_by_one as (
      select e.id, e.occurred_at, coalesce(e.matched_at, e.recorded_at) as counted_at,
             coalesce(e.subscription_id, ({_CARRIER_OF_EVENT})) as subscription_id
      from (
        select e.* from hours h
        join usage_events e on e.organization_id = :organization_id and e.customer_id = h.customer_id
          and e.subscription_id is not distinct from h.subscription_id and e.meter_id = h.meter_id
          and e.occurred_at >= h.hour and e.occurred_at < h.hour_end
        where h.place = 'mixed'
        union all
        select e.* from unnest(:edge_starts ::timestamptz[], :edge_ends ::timestamptz[]) as edge (start, "end")
        join usage_events e on e.organization_id = :organization_id
          and e.occurred_at >= edge.start and e.occurred_at < edge."end"
      ) e {CORRECTED}
      where {COUNTS}
    ), placed as (
      select coalesce(b.spans @> e.occurred_at, false) and not coalesce(l.spans @> e.occurred_at, false) as is_billed
      from one_by_one e
      left join billed b on b.subscription_id = e.subscription_id
      left join late l on l.subscription_id = e.subscription_id and l.recorded_at = e.counted_at
    )
    select (select coalesce(sum(events), 0) from hours where place = 'billed')
             + (select count(*) from placed where is_billed),
           (select coalesce(sum(events), 0) from hours where place = 'pending')
             + (select count(*) from placed where not is_billed)
    """  # noqa: S608 - made of constants
)
"""All that a subscription's invoices bill is one multirange, so that each hour and each event is looked at once.

Why an hour's end is a column: see THESE_HOURS in `usage_hour.py`.
"""


class Conservation(NamedTuple):
    """How many events of a period came in, and how many are at each place where they may be."""

    received: int
    billed: int
    pending: int
    unmatched: int
    corrected: int

    @property
    def holds(self) -> bool:
        """Whether every event that came in is somewhere, once."""
        return self.received == self.billed + self.pending + self.unmatched + self.corrected


async def load_conservation(tx: Transaction, period: Period) -> Conservation:
    """Count a period's events, all in one snapshot.

    Billed is what an invoice that was finalized, and not voided, accounts for; an event that came after it waits for
    the next billing run. What no subscription carries, or one carries on trial, is pending.
    """
    whole, edges = whole_hours(period), ragged_edges(period)
    span = {"start": period.start, "end": period.end}
    hours = {
        "first_hour": period.start if whole is None else whole.start,
        "last_hour": period.start if whole is None else whole.end,
    }
    (received,) = await _row(tx, _RECEIVED, **span, **hours)
    unmatched, corrected = await _row(tx, _ELSEWHERE, **span)
    billed, pending = await _row(
        tx,
        _COUNTED,
        **span,
        **hours,
        edge_starts=[edge.start for edge in edges],
        edge_ends=[edge.end for edge in edges],
    )
    return Conservation(received, billed, pending, unmatched, corrected)


async def _row(tx: Transaction, query: Query, **parameters: object) -> list[int]:
    (row,) = await tx.fetch(query, **parameters)
    return [int(value) for value in row]
