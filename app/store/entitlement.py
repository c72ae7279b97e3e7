"""Entitlements as they are read: what customers are granted, how much of it is used and held, features' names."""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.entitlement import Entitlement, FeatureName, Grant, Level, LevelKey, Terms, entitled, terms_at
from app.domain.plan import FeatureType, Plan
from app.domain.usage import Aggregation
from app.store.meter import load_meters
from app.store.plan import load_domain_plans
from app.store.quantity import Measure, load_quantities
from app.store.query import Query
from app.store.subscription import load_lives_of_customers
from app.store.tenancy import Transaction

_TIME: Final = Query("select time_zone, test_clock, now() from organizations where organization_id = :organization_id")

_HELD: Final = Query(
    """
    select k.subscription_id, k.meter_id, c.reserved - coalesce(expired.quantity, 0), next.expires_at
    from unnest(:subscription_ids ::uuid[], :meter_ids ::uuid[], :plan_ids ::uuid[], :starts ::timestamptz[])
         as k (subscription_id, meter_id, plan_id, period_start)
    join quota_counters c on c.organization_id = :organization_id and c.subscription_id = k.subscription_id
      and c.meter_id = k.meter_id and c.plan_id = k.plan_id and c.period_start = k.period_start
    cross join lateral (
      select sum(r.quantity) as quantity from reservations r
      where r.organization_id = :organization_id and r.counter_id = c.id and r.status = 'HELD' and r.expires_at <= :now
    ) expired
    left join lateral (
      select r.expires_at from reservations r
      where r.organization_id = :organization_id and r.counter_id = c.id and r.status = 'HELD' and r.expires_at > :now
      order by r.expires_at limit 1
    ) next on true
    where c.organization_id = :organization_id and c.reserved > 0
    """
)

_FEATURE_NAMES: Final = Query(
    """
    select f.key, f.name, f.type
    from plan_features f join plans p on p.organization_id = f.organization_id and p.id = f.plan_id
    where f.organization_id = :organization_id and f.key = :key
    order by p.status = 'DRAFT', p.created_at desc, p.id desc limit 1
    """
)


class Moment(NamedTuple):
    """The organization's time zone, its test clock where it has one, and its now."""

    zone: ZoneInfo
    test_clock: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class _KnownPlan:
    plan: Plan
    aggregations: Mapping[UUID, Aggregation]


class PlanBook:
    """Plan versions and how their meters count, read once: neither ever changes (I20). Bounded."""

    def __init__(self, plans_max: int = 10_000) -> None:
        self._plans_max = plans_max
        self._known: OrderedDict[tuple[UUID, UUID], _KnownPlan] = OrderedDict()

    async def plans(self, tx: Transaction, plan_ids: Iterable[UUID]) -> dict[UUID, Plan]:
        """Those plan versions of the transaction's organization, by id."""
        return {key: known.plan for key, known in (await self._look_up(tx, plan_ids)).items()}

    async def aggregations(self, tx: Transaction, plan_ids: Iterable[UUID]) -> dict[UUID, Mapping[UUID, Aggregation]]:
        """How the meters of those plan versions count, by the version's id."""
        return {key: known.aggregations for key, known in (await self._look_up(tx, plan_ids)).items()}

    async def _look_up(self, tx: Transaction, plan_ids: Iterable[UUID]) -> dict[UUID, _KnownPlan]:
        ids = set(plan_ids)
        found = {key: known for key in ids if (known := self._known.get((tx.organization_id, key))) is not None}
        missing = ids - found.keys()
        if missing:
            read = await _read_plans(tx, missing)
            found |= read
            for key, known in read.items():
                self._known[tx.organization_id, key] = known
            while len(self._known) > self._plans_max:
                self._known.popitem(last=False)
        return found


async def _read_plans(tx: Transaction, plan_ids: Iterable[UUID]) -> dict[UUID, _KnownPlan]:
    plans = await load_domain_plans(tx, plan_ids)
    meters_of = {key: {f.meter_id for f in plan.features if f.meter_id is not None} for key, plan in plans.items()}
    meters = await load_meters(tx, list(set[UUID]().union(*meters_of.values())))
    by_id = {meter.id: Aggregation(meter.aggregation) for meter in meters}
    return {
        key: _KnownPlan(plan, {meter_id: by_id[meter_id] for meter_id in meters_of[key]}) for key, plan in plans.items()
    }


async def load_moment(tx: Transaction) -> Moment:
    """The organization's time."""
    row: Any = await tx.fetch_row(_TIME)
    if row is None:
        raise LookupError("The active organization is gone.")
    zone, test_clock, now = row
    return Moment(ZoneInfo(zone), test_clock, test_clock or now)


async def load_terms(
    tx: Transaction, customer_ids: Sequence[UUID], zone: ZoneInfo, now: datetime, book: PlanBook | None = None
) -> dict[UUID, Terms]:
    """What each customer is granted at that instant, which is the transaction's."""
    book = book or PlanBook()
    lives = await load_lives_of_customers(tx, customer_ids, zone, now, book.plans)
    plan_ids = {phase.plan.id for each in lives for phase in each.timeline.phases}
    aggregations = await book.aggregations(tx, plan_ids)
    by_customer = defaultdict(list)
    for each in lives:
        by_customer[each.customer_id].append(each)
    return {key: terms_at(key, by_customer[key], aggregations, now) for key in customer_ids}


class Counted(NamedTuple):
    """A meter of what a customer is granted."""

    customer_id: UUID
    grant: Grant
    meter_id: UUID

    @property
    def key(self) -> LevelKey:
        """Whose level it is."""
        return LevelKey(self.grant.subscription_id, self.meter_id)


def counted_of(terms: Iterable[Terms]) -> list[Counted]:
    """Every meter of what customers are granted."""
    return [
        Counted(each.customer_id, grant, meter_id)
        for each in terms
        for grant in each.grants
        for meter_id in grant.meter_ids
    ]


def counted_for(terms: Terms, feature_key: str) -> list[Counted]:
    """Every meter that may have to answer for one feature, subscription by subscription."""
    return [
        Counted(terms.customer_id, grant, feature.meter_id)
        for grant, feature in terms.offers(feature_key)
        if feature.meter_id is not None
    ]


async def load_levels(tx: Transaction, counted: Sequence[Counted], now: datetime) -> dict[LevelKey, Level]:
    """How much of what customers are granted is used, and held at that instant. One snapshot, or under one lock.

    In a transaction that sees each commit as it comes, the counters have to be locked before: else what a reservation
    held may be settled in between, and be seen twice or not at all.
    """
    if not counted:
        return {}
    measures = [Measure(grant.subscription_id, whose, meter_id, grant.spans) for whose, grant, meter_id in counted]
    aggregations = {each.meter_id: each.grant.aggregations[each.meter_id] for each in counted}
    quantities = await load_quantities(tx, measures, aggregations)
    held = {
        LevelKey(subscription_id, meter_id): (reserved, until)
        for subscription_id, meter_id, reserved, until in await tx.fetch(
            _HELD,
            subscription_ids=[each.grant.subscription_id for each in counted],
            meter_ids=[each.meter_id for each in counted],
            plan_ids=[each.grant.plan.id for each in counted],
            starts=[each.grant.period.start for each in counted],
            now=now,
        )
    }
    return {
        each.key: Level(used, *held[each.key]) if each.key in held else Level(used)
        for each, used in zip(counted, quantities, strict=True)
    }


async def load_entitlement(tx: Transaction, customer_id: UUID, feature: str) -> Entitlement:
    """Whether a customer may use 1 more of a feature that some plan has, as the transaction sees it now."""
    zone, _, now = await load_moment(tx)
    terms = (await load_terms(tx, [customer_id], zone, now))[customer_id]
    name = terms.name_of(feature) or await load_feature_name(tx, feature)
    if name is None:
        raise LookupError("No plan has the feature.")
    return entitled(terms, name, Decimal(1), await load_levels(tx, counted_for(terms, feature), now))


async def load_feature_name(tx: Transaction, key: str) -> FeatureName | None:
    """What the newest plan version that has the feature calls it, a DRAFT only where no other has; None if none."""
    row: Any = await tx.fetch_row(_FEATURE_NAMES, key=key)
    return None if row is None else FeatureName(row[0], row[1], FeatureType(row[2]))
