"""plan.create: version 1 of a key, or its next version, as a DRAFT."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.domain.errors import Invalid, NotFound
from app.domain.money import MINOR_MAX
from app.domain.period import Interval
from app.domain.plan import BillingTiming, Enforcement, Feature, FeatureType, PlanStatus, validate_feature
from app.domain.price import UsagePrice
from app.domain.text import LONG_MAX, key, optional_text, text
from app.store.audit import record
from app.store.meter import load_meters_by_key
from app.store.plan import insert_plan, next_plan_version
from app.store.query import new_id
from app.store.tenancy import TenantDatabase, WriteTransaction

FEATURES_MAX = 100
TRIAL_DAYS_MAX = 730


@dataclass(frozen=True, slots=True)
class NewFeature:
    """A feature as it comes in: its meter by key."""

    key: str
    name: str
    type: FeatureType
    enforcement: Enforcement | None
    meter: str | None
    included: Decimal | None
    price: UsagePrice | None


@dataclass(frozen=True, slots=True)
class NewPlan:
    """What a new plan version is made of. `base_price` in minor units of `currency`, per interval and seat."""

    key: str
    name: str
    description: str | None
    currency: str
    base_price: int
    interval: Interval
    interval_count: int
    timing: BillingTiming
    features: Sequence[NewFeature]
    trial_days: int = 0


async def create_plan(db: TenantDatabase, new: NewPlan) -> UUID:
    """Store a plan version with its features, as a DRAFT, and give its id. Raises Invalid, NotFound for a meter."""
    _check(new)
    async with db.write() as tx:
        features = await _with_meters(tx, new.features)
        for index, feature in enumerate(features):
            validate_feature(feature, ["features", str(index)])
        plan_id = new_id()
        version = await next_plan_version(tx, new.key)
        await insert_plan(
            tx,
            features,
            id=plan_id,
            key=new.key,
            version=version,
            name=text(new.name, "name"),
            description=optional_text(new.description, "description", longest=LONG_MAX),
            status=PlanStatus.DRAFT,
            currency=new.currency,
            base_price_minor=new.base_price,
            interval=new.interval,
            interval_count=new.interval_count,
            timing=new.timing,
            trial_days=new.trial_days,
            created_at=tx.now,
        )
        await record(tx, "plan.create", plan_id, {"key": new.key, "version": version})
        return plan_id


def _check(new: NewPlan) -> None:
    key(new.key, "key")
    if not 0 <= new.base_price <= MINOR_MAX:
        raise Invalid("A base price is 0 or more.", "basePrice")
    if not 1 <= new.interval_count <= 1000:
        raise Invalid("Give 1 to 1000 intervals.", "intervalCount")
    if not 0 <= new.trial_days <= TRIAL_DAYS_MAX:
        raise Invalid(f"Give 0 to {TRIAL_DAYS_MAX} days.", "trialDays")
    if len(new.features) > FEATURES_MAX:
        raise Invalid(f"A plan has at most {FEATURES_MAX} features.", "features")
    seen: set[str] = set()
    for index, feature in enumerate(new.features):
        key(feature.key, "features", str(index), "key")
        if feature.key in seen:
            raise Invalid("Another feature of this plan has this key.", "features", str(index), "key")
        seen.add(feature.key)


async def _with_meters(tx: WriteTransaction, features: Sequence[NewFeature]) -> list[Feature]:
    wanted = {feature.meter for feature in features if feature.meter is not None}
    meters = {meter.key: meter.id for meter in await load_meters_by_key(tx, sorted(wanted))}
    resolved = []
    for index, feature in enumerate(features):
        if feature.meter is not None and feature.meter not in meters:
            raise NotFound("No meter has this key: create it first.", "features", str(index), "meter")
        resolved.append(
            Feature(
                key=feature.key,
                name=text(feature.name, "features", str(index), "name"),
                type=feature.type,
                enforcement=feature.enforcement,
                meter_id=None if feature.meter is None else meters[feature.meter],
                included=feature.included,
                price=feature.price,
            )
        )
    return resolved
