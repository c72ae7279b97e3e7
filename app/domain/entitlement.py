"""What a customer may use now: what its subscriptions grant, measured against what is used and what is held."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple, assert_never
from uuid import UUID

from app.domain.money import exact_decimals, plain
from app.domain.period import Period
from app.domain.plan import Enforcement, Feature, FeatureType, Plan
from app.domain.subscription import Subscription, SubscriptionStatus
from app.domain.usage import Aggregation


class EntitlementReason(StrEnum):
    """Why a customer may use a feature now, or may not."""

    GRANTED = "GRANTED"
    OVERAGE = "OVERAGE"
    LIMIT_REACHED = "LIMIT_REACHED"
    FEATURE_NOT_IN_PLAN = "FEATURE_NOT_IN_PLAN"
    NO_ACTIVE_SUBSCRIPTION = "NO_ACTIVE_SUBSCRIPTION"


IN_FORCE: Final = frozenset({SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE})
"""A subscription in one of these grants what its plan does; one that is PAUSED, CANCELED or yet to begin does not."""


class LevelKey(NamedTuple):
    """Whose level: a subscription's, on a meter."""

    subscription_id: UUID
    meter_id: UUID


@dataclass(frozen=True, slots=True)
class Level:
    """How much of a meter was used by a subscription, and how much is held. `until` is when a hold next expires."""

    used: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    until: datetime | None = None


NOTHING_USED: Final = Level()


@dataclass(frozen=True, slots=True)
class Grant:
    """What a subscription in force grants: a plan version, for the subscription's current period.

    `spans` are the parts of the period in which that version is in force: usage belongs to the plan that was in force
    when it occurred, for entitlements as for invoices (I82). `aggregations` are those of the plan's meters.
    """

    subscription_id: UUID
    plan: Plan
    aggregations: Mapping[UUID, Aggregation]
    period: Period
    spans: tuple[Period, ...]

    def feature(self, key: str) -> Feature | None:
        """The plan's feature of that key."""
        return next((feature for feature in self.plan.features if feature.key == key), None)

    @property
    def meter_ids(self) -> list[UUID]:
        """What the plan counts, each meter once."""
        return list(dict.fromkeys(each.meter_id for each in self.plan.features if each.meter_id is not None))


@dataclass(frozen=True, slots=True)
class Terms:
    """All that a customer is granted, the first made subscription first; it stays so until `until`, for ever if None.

    Whatever is changed before then makes other terms.
    """

    customer_id: UUID
    grants: tuple[Grant, ...]
    until: datetime | None

    def offers(self, key: str) -> Iterator[tuple[Grant, Feature]]:
        """The grants of a feature, in their order."""
        for grant in self.grants:
            feature = grant.feature(key)
            if feature is not None:
                yield grant, feature

    def name_of(self, key: str) -> "FeatureName | None":
        """What the first plan that has the feature calls it; None where none has it."""
        return next((FeatureName(key, feature.name, feature.type) for _, feature in self.offers(key)), None)


@dataclass(frozen=True, slots=True)
class FeatureName:
    """A feature as people read it, where no plan in force says more of it."""

    feature: str
    name: str
    type: FeatureType


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The answer for one feature. Quantities in the meter's units; `limit` None is unlimited.

    `used` counts what spilled over from subscriptions that were asked before (see `entitled`).
    """

    customer_id: UUID
    feature: str
    name: str
    type: FeatureType
    enforcement: Enforcement | None
    subscription_id: UUID | None
    plan_id: UUID | None
    allowed: bool
    reason: EntitlementReason
    limit: Decimal | None = None
    used: Decimal | None = None
    reserved: Decimal | None = None
    remaining: Decimal | None = None
    resets_at: datetime | None = None


def terms_at(
    customer_id: UUID,
    subscriptions: Sequence[Subscription],
    aggregations: Mapping[UUID, Mapping[UUID, Aggregation]],
    now: datetime,
) -> Terms:
    """What a customer's subscriptions, in the order in which they were made, grant at an instant.

    `aggregations` are those of each plan version's meters, by the version's id.
    """
    changes = [change for each in subscriptions for change in _changes(each, now) if change > now]
    grants = []
    for subscription in subscriptions:
        timeline = subscription.timeline
        if now < timeline.started_at or subscription.status(now) not in IN_FORCE:
            continue
        plan, period = timeline.phase_at(now).plan, timeline.current_period(now)
        spans = tuple(span for other, span in timeline.plans_in(period) if other.id == plan.id)
        grants.append(Grant(subscription.id, plan, aggregations[plan.id], period, spans))
    return Terms(customer_id, tuple(grants), min(changes, default=None))


def _changes(subscription: Subscription, now: datetime) -> Iterator[datetime]:
    """The instants at which the clock alone may change what a subscription grants; those of the past are among them."""
    timeline = subscription.timeline
    yield timeline.started_at
    yield timeline.current_period(now).end
    if timeline.ends_at is not None:
        yield timeline.ends_at
    for pause in timeline.pauses:
        yield pause.starts_at
        if pause.ends_at is not None:
            yield pause.ends_at
    for phase in timeline.phases:
        yield phase.starts_at


def entitled(terms: Terms, wanted: FeatureName, quantity: Decimal, levels: Mapping[LevelKey, Level]) -> Entitlement:
    """Whether that many more may be used now, and by which subscription.

    The subscriptions that grant the feature are asked in the order in which they were made, which is the order in which
    they carry usage. The first that allows it answers; where none does, the last. What a HARD limit could not hold
    counts against the next one, so that usage that was recorded for the customer is never left out.
    """
    answer, spilled = None, Decimal(0)
    with exact_decimals():
        for grant, feature in terms.offers(wanted.feature):
            level = NOTHING_USED
            if feature.meter_id is not None:
                level = levels.get(LevelKey(grant.subscription_id, feature.meter_id), NOTHING_USED)
            granted = _granted(terms.customer_id, grant, feature)
            answer, spilled = _asked(granted, grant, feature, quantity, level, spilled)
            if answer.allowed:
                return answer
    return answer or _refused(terms, wanted)


def _granted(customer_id: UUID, grant: Grant, feature: Feature) -> Entitlement:
    """Without limit."""
    return Entitlement(
        customer_id=customer_id,
        feature=feature.key,
        name=feature.name,
        type=feature.type,
        enforcement=feature.enforcement,
        subscription_id=grant.subscription_id,
        plan_id=grant.plan.id,
        allowed=True,
        reason=EntitlementReason.GRANTED,
    )


def _refused(terms: Terms, wanted: FeatureName) -> Entitlement:
    """Nothing in force grants it."""
    first = terms.grants[0] if terms.grants else None
    return Entitlement(
        customer_id=terms.customer_id,
        feature=wanted.feature,
        name=wanted.name,
        type=wanted.type,
        enforcement=None,
        subscription_id=None if first is None else first.subscription_id,
        plan_id=None if first is None else first.plan.id,
        allowed=False,
        reason=EntitlementReason.NO_ACTIVE_SUBSCRIPTION if first is None else EntitlementReason.FEATURE_NOT_IN_PLAN,
    )


def _asked(
    granted: Entitlement, grant: Grant, feature: Feature, quantity: Decimal, level: Level, spilled: Decimal
) -> tuple[Entitlement, Decimal]:
    """One subscription's answer, and what spills over to the next."""
    if feature.meter_id is None:
        return granted, spilled
    used = level.used + (spilled if feature.enforcement is Enforcement.HARD else 0)
    measured = replace(granted, used=plain(used), reserved=plain(level.reserved), resets_at=grant.period.end)
    if feature.type is not FeatureType.QUOTA or feature.included is None or feature.enforcement is None:
        return measured, spilled
    taken, limit = used + level.reserved, feature.included
    limited = replace(measured, limit=plain(limit), remaining=plain(max(Decimal(0), limit - taken)))
    if taken + quantity <= limit:
        return limited, spilled
    match feature.enforcement:
        case Enforcement.SOFT:
            return replace(limited, reason=EntitlementReason.OVERAGE), spilled
        case Enforcement.HARD:
            refused = replace(limited, allowed=False, reason=EntitlementReason.LIMIT_REACHED)
            return refused, max(Decimal(0), taken - limit)
        case unknown:
            assert_never(unknown)
