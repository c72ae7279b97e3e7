"""Quota that is held before it is spent: how a hold begins and how it ends."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.domain.entitlement import Entitlement, EntitlementReason, Grant
from app.domain.errors import Invalid, InvalidState, LimitExceeded
from app.domain.money import figure
from app.domain.period import shown
from app.domain.plan import Enforcement, Feature
from app.domain.usage import Aggregation, bad_quantity


class ReservationStatus(StrEnum):
    """Where a reservation is in its life; HELD becomes EXPIRED by the clock (decision 0005)."""

    HELD = "HELD"
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


TTL_SECONDS_MAX: Final = 86_400

ONE_BY_ONE: Final = frozenset({Aggregation.COUNT, Aggregation.UNIQUE})
"""A settled reservation is one usage event, which adds at most 1 to what these count."""

HELD_UP_TO: Final = ONE_BY_ONE | {Aggregation.SUM}
"""What adds up, so that what is held can be added to what is used."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A hold on a subscription's quota. `quantity` in the meter's units; what it holds counts from `created_at`."""

    id: UUID
    counter_id: UUID
    customer_id: UUID
    subscription_id: UUID
    feature: str
    quantity: Decimal
    status: ReservationStatus
    expires_at: datetime
    created_at: datetime
    settled_quantity: Decimal | None = None

    def settled(self, quantity: Decimal, feature: Feature, aggregation: Aggregation, now: datetime) -> "Reservation":
        """The reservation once so much was used. Raises InvalidState, Invalid, LimitExceeded."""
        self._check_held(now, "record what was used with usageRecord")
        check_settled(quantity, aggregation)
        if feature.enforcement is Enforcement.HARD and quantity > self.quantity:
            raise LimitExceeded(
                f"{figure(self.quantity)} were reserved under a HARD limit: settle at most that.", "quantity"
            )
        return replace(self, status=ReservationStatus.SETTLED, settled_quantity=quantity)

    def released(self, now: datetime) -> "Reservation":
        """The reservation once nothing is held any more. Raises InvalidState."""
        self._check_held(now, "it holds nothing any more")
        return replace(self, status=ReservationStatus.RELEASED)

    def _check_held(self, now: datetime, advice: str) -> None:
        if self.status is ReservationStatus.HELD and self.expires_at > now:
            return
        if self.status in (ReservationStatus.HELD, ReservationStatus.EXPIRED):
            raise InvalidState(f"The reservation expired at {shown(self.expires_at)}: {advice}.", "reservationId")
        raise InvalidState(f"The reservation is {self.status}: only a HELD one can be ended.", "reservationId")


def expiry(now: datetime, ttl_seconds: int) -> datetime:
    """When a hold that is taken now ends by itself. Raises Invalid."""
    if not 1 <= ttl_seconds <= TTL_SECONDS_MAX:
        raise Invalid(f"Give 1 to {TTL_SECONDS_MAX:,} seconds.", "ttlSeconds")
    return now + timedelta(seconds=ttl_seconds)


def check_reserved(quantity: Decimal) -> None:
    """Refuse to hold nothing, or what no event could record. Raises Invalid."""
    problem = bad_quantity(quantity)
    if problem is not None:
        raise Invalid(problem, "quantity")
    if quantity == 0:
        raise Invalid("Give a quantity above 0: there is nothing to hold.", "quantity")


def check_settled(quantity: Decimal, aggregation: Aggregation) -> None:
    """Refuse what one usage event could not record. Raises Invalid."""
    problem = bad_quantity(quantity)
    if problem is not None:
        raise Invalid(problem, "quantity")
    if aggregation in ONE_BY_ONE and quantity not in (0, 1):
        raise Invalid(f"The feature's meter counts by {aggregation}: settle 1, or 0 for nothing.", "quantity")


def check_holdable(grant: Grant, feature: Feature, quantity: Decimal) -> None:
    """Refuse a feature of which nothing can be held, or not so much at once. Raises Invalid."""
    if feature.meter_id is None:
        raise Invalid("A BOOLEAN feature has no quantity: ask for its entitlement instead.", "feature")
    aggregation = grant.aggregations[feature.meter_id]
    if aggregation not in HELD_UP_TO:
        raise Invalid(
            f"The feature's meter counts by {aggregation}, which does not add up: nothing can be held.", "feature"
        )
    if aggregation in ONE_BY_ONE and quantity != 1:
        raise Invalid(f"The feature's meter counts by {aggregation}: reserve 1 at a time.", "quantity")


def check_allowed(answer: Entitlement, quantity: Decimal) -> None:
    """Go on where the entitlement allows it. Raises InvalidState where nothing grants it, LimitExceeded."""
    match answer.reason:
        case EntitlementReason.NO_ACTIVE_SUBSCRIPTION:
            raise InvalidState("The customer has no subscription in force: subscribe it first.", "customerId")
        case EntitlementReason.FEATURE_NOT_IN_PLAN:
            raise InvalidState("No plan that the customer is on has this feature: change its plan.", "feature")
        case EntitlementReason.LIMIT_REACHED:
            remaining = figure(answer.remaining or Decimal(0))
            until = "" if answer.resets_at is None else f" until {shown(answer.resets_at)}"
            raise LimitExceeded(f"{figure(quantity)} were asked for and {remaining} remain{until}.", "quantity")
        case _:
            return
