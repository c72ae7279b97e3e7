"""usage.reserve: quota held before the work is done."""

from dataclasses import dataclass
from decimal import Decimal
from typing import cast
from uuid import UUID

from app.domain.entitlement import Entitlement, LevelKey, Terms, entitled
from app.domain.errors import NotFound
from app.domain.money import figure
from app.domain.plan import Enforcement
from app.domain.reservation import (
    Reservation,
    ReservationStatus,
    check_allowed,
    check_holdable,
    check_reserved,
    expiry,
)
from app.domain.text import key
from app.store.audit import record
from app.store.customer import find_customer
from app.store.entitlement import counted_for, load_feature_name, load_levels, load_terms
from app.store.news import tell_usage
from app.store.query import new_id
from app.store.reservation import insert_reservation, lock_counters, take
from app.store.tenancy import TenantDatabase, WriteTransaction


@dataclass(frozen=True, slots=True)
class NewReservation:
    """What is to be held: of a feature, for the default customer where none is named, for so many seconds at most."""

    customer_id: UUID | None
    feature: str
    quantity: Decimal
    ttl_seconds: int


async def reserve_usage(db: TenantDatabase, new: NewReservation) -> UUID:
    """Hold quota, all or nothing, and give the reservation's id.

    Exact however many do so at once: the counter is locked, what is used is read under the lock, and one update adds
    to what is held only where both stay within a HARD limit. The same update gives back what has expired.
    Raises NotFound, Invalid, InvalidState where nothing grants the feature, LimitExceeded.
    """
    check_reserved(new.quantity)
    key(new.feature, "feature")
    async with db.write() as tx:
        expires_at = expiry(tx.now, new.ttl_seconds)
        customer_id = (await find_customer(tx, new.customer_id)).id
        terms = (await load_terms(tx, [customer_id], tx.facts.zone, tx.now))[customer_id]
        wanted = terms.name_of(new.feature) or await load_feature_name(tx, new.feature)
        if wanted is None:
            raise NotFound("No plan has a feature with this key.", "feature")
        counted = counted_for(terms, new.feature)
        counters = dict(zip((each.key for each in counted), await lock_counters(tx, counted), strict=True))
        levels = await load_levels(tx, counted, tx.now)
        answer = entitled(terms, wanted, new.quantity, levels)
        check_allowed(answer, new.quantity)
        source = _source(terms, answer, new.quantity)
        held = Reservation(
            id=new_id(),
            counter_id=counters[source],
            customer_id=customer_id,
            subscription_id=source.subscription_id,
            feature=new.feature,
            quantity=new.quantity,
            status=ReservationStatus.HELD,
            expires_at=expires_at,
            created_at=tx.now,
        )
        await _hold(tx, held, answer)
        return held.id


def _source(terms: Terms, answer: Entitlement, quantity: Decimal) -> LevelKey:
    """Whose quota it is taken from: of the subscription that allowed it. Raises Invalid where it cannot be held."""
    grant, feature = next(
        each for each in terms.offers(answer.feature) if each[0].subscription_id == answer.subscription_id
    )
    check_holdable(grant, feature, quantity)
    return LevelKey(grant.subscription_id, cast("UUID", feature.meter_id))


async def _hold(tx: WriteTransaction, held: Reservation, answer: Entitlement) -> None:
    limit = answer.limit if answer.enforcement is Enforcement.HARD else None
    if not await take(tx, held.counter_id, held.quantity, used=answer.used or Decimal(0), limit=limit):
        raise AssertionError("Under the counter's lock, the rule and the update disagree.")
    await insert_reservation(tx, held)
    await record(
        tx, "usage.reserve", held.id, {"feature": held.feature, "quantity": figure(held.quantity)}, of="reservation"
    )
    await tell_usage(tx, [held.customer_id])
