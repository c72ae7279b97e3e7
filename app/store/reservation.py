"""Reservations and the counters that they are taken from.

Whoever takes a hold or ends one locks the counter first. Statements that come after that see all that was committed
before the lock was given, so that what is held and what is used are read as they are, and change under the lock alone.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from app.domain.errors import NotFound
from app.domain.reservation import Reservation as DomainReservation
from app.domain.reservation import ReservationStatus
from app.store.entitlement import Counted
from app.store.query import Query, Relation, any_of, new_id, parameter
from app.store.subscription import TENANT_NOW
from app.store.tables import QuotaCounter, Reservation
from app.store.tenancy import Transaction, WriteTransaction


def _at_now(columns: Any) -> dict[str, Any]:
    """A hold expires by the clock (decision 0005)."""
    over = sa.and_(columns["status"] == ReservationStatus.HELD.value, columns["expires_at"] <= TENANT_NOW)
    return {"status": sa.case((over, sa.literal_column(f"'{ReservationStatus.EXPIRED}'")), else_=columns["status"])}


counters = Relation(QuotaCounter)
reservations = Relation(Reservation, computed=_at_now)
stored_reservations = Relation(Reservation)
ReservationRow = reservations.row

_BY_ID: Final = reservations.where(reservations.c.id == any_of("ids"))
_STORED: Final = stored_reservations.where(stored_reservations.c.id == parameter("id", sa.Uuid))
_INSERT: Final = reservations.insert()
_INSERT_COUNTERS: Final = Query(
    """
    insert into quota_counters (organization_id, id, subscription_id, meter_id, plan_id, period_start, reserved)
    select :organization_id, k.*, 0
    from unnest(:ids ::uuid[], :subscription_ids ::uuid[], :meter_ids ::uuid[], :plan_ids ::uuid[],
                :starts ::timestamptz[]) k
    on conflict (organization_id, subscription_id, meter_id, plan_id, period_start) do nothing
    """
)
_FIND_COUNTERS: Final = Query(
    """
    select c.id
    from unnest(:subscription_ids ::uuid[], :meter_ids ::uuid[], :plan_ids ::uuid[], :starts ::timestamptz[])
         with ordinality as k (subscription_id, meter_id, plan_id, period_start, place)
    join quota_counters c on c.organization_id = :organization_id and c.subscription_id = k.subscription_id
      and c.meter_id = k.meter_id and c.plan_id = k.plan_id and c.period_start = k.period_start
    where c.organization_id = :organization_id
    order by k.place
    """
)
_LOCK_COUNTERS: Final = Query(
    """
    select id, meter_id, plan_id from quota_counters
    where organization_id = :organization_id and id = any(:ids ::uuid[])
    order by id for no key update
    """
)
_TAKE: Final = Query(
    """
    with given_back as (
      update reservations set status = 'EXPIRED', ended_at = expires_at
      where organization_id = :organization_id and counter_id = :id and status = 'HELD' and expires_at <= :now
      returning quantity
    )
    update quota_counters
    set reserved = reserved - (select coalesce(sum(quantity), 0) from given_back) + :quantity
    where organization_id = :organization_id and id = :id
      and (:limit ::numeric is null
           or :used ::numeric + reserved - (select coalesce(sum(quantity), 0) from given_back) + :quantity <= :limit)
    """
)
_GIVE_BACK: Final = Query(
    "update quota_counters set reserved = reserved - :quantity where organization_id = :organization_id and id = :id"
)
_END: Final = Query(
    """
    update reservations set status = :status, settled_quantity = :settled_quantity, ended_at = :ended_at
    where organization_id = :organization_id and id = :id
    """
)
_COUNTERS_WITH_EXPIRED: Final = Query(
    """
    select id from quota_counters c
    where organization_id = :organization_id and id in (
      select counter_id from reservations
      where organization_id = :organization_id and status = 'HELD' and expires_at <= :now
      order by expires_at limit :most
    )
    for no key update skip locked
    """
)
_EXPIRE: Final = Query(
    """
    with given_back as (
      update reservations set status = 'EXPIRED', ended_at = expires_at
      where organization_id = :organization_id and counter_id = any(:ids ::uuid[])
        and status = 'HELD' and expires_at <= :now
      returning counter_id, quantity
    ), sums as (
      select counter_id, sum(quantity) as quantity, count(*) as holds from given_back group by counter_id
    ), lowered as (
      update quota_counters c set reserved = c.reserved - s.quantity
      from sums s where c.organization_id = :organization_id and c.id = s.counter_id
    )
    select coalesce(sum(holds), 0)::integer from sums
    """
)


class Counter(NamedTuple):
    """A counter that is locked: which meter, under which plan version."""

    id: UUID
    meter_id: UUID
    plan_id: UUID


async def load_reservations(tx: Transaction, ids: Sequence[UUID]) -> list[Reservation]:
    """The reservations with those ids, as they are at the tenant's now."""
    return await tx.fetch(_BY_ID, ids=list(ids))


async def lock_counters(tx: WriteTransaction, wanted: Sequence[Counted]) -> list[UUID]:
    """The counter of each, made if it is new; until the transaction ends nobody else's to change.

    They are locked in one order, so that none waits for another in a circle.
    """
    if not wanted:
        return []
    keys: dict[str, list[Any]] = {
        "subscription_ids": [each.grant.subscription_id for each in wanted],
        "meter_ids": [each.meter_id for each in wanted],
        "plan_ids": [each.grant.plan.id for each in wanted],
        "starts": [each.grant.period.start for each in wanted],
    }
    while True:
        found = [record[0] for record in await tx.fetch(_FIND_COUNTERS, **keys)]
        if len(found) < len(wanted):
            await tx.execute(_INSERT_COUNTERS, ids=[new_id() for _ in wanted], **keys)
            found = [record[0] for record in await tx.fetch(_FIND_COUNTERS, **keys)]
        if len(await tx.fetch(_LOCK_COUNTERS, ids=found)) == len(set(found)):
            return found
        # One was purged since it was found: it is made anew.


async def take(
    tx: WriteTransaction, counter_id: UUID, quantity: Decimal, *, used: Decimal, limit: Decimal | None
) -> bool:
    """Hold so much more where used and held stay within the limit; what has expired is given back. False where not.

    The counter is locked, and `used` was read after that.
    """
    return await tx.execute(_TAKE, id=counter_id, quantity=quantity, used=used, limit=limit, now=tx.now) == 1


async def insert_reservation(tx: WriteTransaction, reservation: DomainReservation) -> None:
    """Store a hold that was taken."""
    await tx.execute(
        _INSERT,
        id=reservation.id,
        counter_id=reservation.counter_id,
        customer_id=reservation.customer_id,
        subscription_id=reservation.subscription_id,
        feature=reservation.feature,
        quantity=reservation.quantity,
        status=reservation.status,
        settled_quantity=reservation.settled_quantity,
        expires_at=reservation.expires_at,
        created_at=reservation.created_at,
        ended_at=None,
    )


async def lock_reservation(tx: WriteTransaction, reservation_id: UUID) -> tuple[DomainReservation, Counter]:
    """A reservation and its counter, until the transaction ends nobody else's to change. Raises NotFound."""
    found = await tx.fetch_row(_STORED, id=reservation_id)
    if found is None:
        raise NotFound("No reservation has this id.", "reservationId")
    counter: Any = await tx.fetch_row(_LOCK_COUNTERS, ids=[found.counter_id])
    # Only now is it known how it is: whoever held the counter may have ended it.
    row: Any = await tx.fetch_row(_STORED, id=reservation_id)
    if counter is None or row is None:
        raise NotFound("No reservation has this id.", "reservationId")
    return _domain(row), Counter(*counter)


async def end_reservation(tx: WriteTransaction, reservation: DomainReservation) -> None:
    """Store how a hold ended, and give back what it held. Its counter is locked."""
    await tx.execute(_GIVE_BACK, id=reservation.counter_id, quantity=reservation.quantity)
    await tx.execute(
        _END,
        id=reservation.id,
        status=reservation.status,
        settled_quantity=reservation.settled_quantity,
        ended_at=tx.now,
    )


async def expire_holds(tx: WriteTransaction, most: int) -> int:
    """Mark holds that have expired, and give back what they held; how many there were.

    It looks at up to `most` of them, and marks the others of their counters with them. A counter that somebody else is
    at is passed by: the next hold that is taken there gives back what has expired.
    """
    ids = [record[0] for record in await tx.fetch(_COUNTERS_WITH_EXPIRED, now=tx.now, most=most)]
    return await tx.fetch_value(_EXPIRE, ids=ids, now=tx.now) if ids else 0


def _domain(row: Reservation) -> DomainReservation:
    return DomainReservation(
        id=row.id,
        counter_id=row.counter_id,
        customer_id=row.customer_id,
        subscription_id=row.subscription_id,
        feature=row.feature,
        quantity=row.quantity,
        status=ReservationStatus(row.status),
        expires_at=row.expires_at,
        created_at=row.created_at,
        settled_quantity=row.settled_quantity,
    )
