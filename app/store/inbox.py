"""The inbox: events whose meter or customer does not exist yet, and how they get out of it."""

from typing import Final

from app.domain.job import JobKind
from app.store.late_usage import mark_late
from app.store.news import tell_usage
from app.store.page import Key, Listing
from app.store.query import Query, Relation
from app.store.queue import enqueue
from app.store.tables import UnmatchedUsageEvent
from app.store.tenancy import WriteTransaction
from app.store.usage import CARRIER
from app.store.usage_hour import COUNTED, VALUED

MATCHED_AT_ONCE: Final = 5_000
"""How many events are matched in the transaction that makes what they wait for; a job matches the rest."""

waiting = Relation(UnmatchedUsageEvent)

listing: Final = Listing(
    waiting, orders={"recorded_at": [Key("recorded_at", waiting.c.recorded_at), Key("id", waiting.c.id)]}
)

_INBOX: Final = "hashtextextended('inbox ' || :organization_id ::uuid ::text, 0)"
_HOLD: Final = Query(f"select pg_advisory_xact_lock_shared({_INBOX})")
_CLOSE: Final = Query(f"select pg_advisory_xact_lock({_INBOX})")

_CARRIER_OF_READY: Final = CARRIER.format(
    customer_id="r.found_customer_id", meter_id="r.meter_id", occurred_at="r.occurred_at"
)
_MATCH: Final = Query(
    f"""
    with ready as (
      delete from unmatched_usage_events u
      using meters m, customers c
      where u.organization_id = :organization_id and u.id in (
          select w.id from unmatched_usage_events w
          join meters m on m.organization_id = w.organization_id and m.key = w.meter_key
          join customers c on c.organization_id = w.organization_id
            and case when w.customer_id is not null then c.id = w.customer_id
                     else c.external_id = w.external_customer_id end
          where w.organization_id = :organization_id
            and (:meter_key ::text is null or w.meter_key = :meter_key)
            and (:external_customer_id ::text is null or w.external_customer_id = :external_customer_id)
          order by w.recorded_at, w.id limit :most
        )
        and m.organization_id = u.organization_id and m.key = u.meter_key
        and c.organization_id = u.organization_id
        and case when u.customer_id is not null then c.id = u.customer_id
                 else c.external_id = u.external_customer_id end
      returning u.*, m.id as meter_id, c.id as found_customer_id
    ), stored as (
      insert into usage_events
        (organization_id, id, meter_id, customer_id, subscription_id, source, event_id, quantity, properties,
         occurred_at, recorded_at, matched_at)
      select r.organization_id, r.id, r.meter_id, r.found_customer_id,
             coalesce(r.subscription_id, ({_CARRIER_OF_READY})),
             r.source, r.event_id, r.quantity, r.properties, r.occurred_at, r.recorded_at, :now
      from ready r
      returning id, meter_id, customer_id, subscription_id, quantity, properties, occurred_at
    ), counted as ({COUNTED}), valued as ({VALUED})
    select subscription_id, count(*), min(occurred_at), max(occurred_at) from stored group by subscription_id
    """  # noqa: S608 - made of constants
)


async def hold_inbox(tx: WriteTransaction) -> None:
    """Let no meter or customer come to be between looking for them and keeping an event that waits for them."""
    await tx.fetch(_HOLD)


async def match_waiting(
    tx: WriteTransaction, *, meter_key: str | None = None, external_customer_id: str | None = None
) -> int:
    """Turn waiting events whose meter and customer exist into usage events, the first to come first; how many.

    Of that meter or customer alone where it is named; the job `usage.match` goes on where there are more than are
    matched at once. Waits for those who hold the inbox, and they for this transaction: no event is missed by both.
    """
    await tx.fetch(_CLOSE)
    found = await tx.fetch(
        _MATCH, meter_key=meter_key, external_customer_id=external_customer_id, most=MATCHED_AT_ONCE, now=tx.now
    )
    await mark_late(tx, [(key, instant) for key, _, first, last in found for instant in (first, last)])
    matched = sum(count for _, count, _, _ in found)
    if matched:
        await tell_usage(tx, [None])
    if matched == MATCHED_AT_ONCE:
        await enqueue(tx, JobKind.USAGE_MATCH)
    return matched
