"""Plans and their features: rows for reading, domain objects for the calculation."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from app.domain.errors import InvalidState, NotFound
from app.domain.period import Interval
from app.domain.plan import BillingTiming, Enforcement, Feature, FeatureType, PlanStatus
from app.domain.plan import Plan as DomainPlan
from app.domain.price import PricingModel, Tier, UsagePrice
from app.store.news import tell_catalog
from app.store.page import Listing, newest_first
from app.store.query import Columns, Query, Relation, any_of, parameter
from app.store.tables import Plan, PlanFeature
from app.store.tenancy import Transaction, WriteTransaction

plans = Relation(Plan)
plan_features = Relation(PlanFeature)
PlanRow = plans.row

_BY_ID: Final = plans.where(plans.c.id == any_of("ids"))
_LOCKED: Final = plans.query(plans.select(plans.c.id == parameter("id", sa.Uuid)).with_for_update())
_BY_KEY: Final = plans.query(
    plans.select(
        plans.c.key == parameter("key", sa.Text),
        sa.or_(
            plans.c.version == parameter("version", sa.Integer),
            sa.and_(parameter("version", sa.Integer).is_(None), plans.c.status == any_of("statuses", sa.Text)),
        ),
    )
    .order_by(plans.c.version.desc())
    .limit(1)
)
_NEXT_VERSION: Final = Query(
    "select coalesce(max(version), 0) + 1 from plans where organization_id = :organization_id and key = :key"
)
_KEY_LOCK: Final = Query("select pg_advisory_xact_lock(hashtextextended(:organization_id ::uuid ::text || :key, 0))")
_FEATURES: Final = plan_features.query(
    plan_features.select(plan_features.c.plan_id == any_of("plan_ids")).order_by(
        plan_features.c.plan_id, plan_features.c.position
    )
)
_INSERT: Final = plans.insert()
_INSERT_FEATURE: Final = plan_features.insert()
_SET_STATUS: Final = plans.update("status")

listing: Final = Listing(
    plans,
    orders=newest_first(plans),
    filters={"status": plans.c.status == any_of("status", sa.Text)},
)


async def load_plans(tx: Transaction, ids: Sequence[UUID], columns: Columns = None) -> list[Plan]:
    """The plan versions with those ids."""
    return await tx.fetch(_BY_ID.of(columns), ids=list(ids))


async def lock_plan(tx: WriteTransaction, plan_id: UUID) -> Plan | None:
    """The plan version with that id, until the transaction ends nobody else's to change."""
    return await tx.fetch_row(_LOCKED, id=plan_id)


async def load_plan_by_key(
    tx: Transaction, key: str, version: int | None, statuses: Sequence[str] = ("DRAFT", "ACTIVE", "ARCHIVED")
) -> Plan | None:
    """That version of a key; the newest version in one of the statuses where no version is asked for."""
    return await tx.fetch_row(_BY_KEY, key=key, version=version, statuses=list(statuses))


async def load_plan_to_subscribe(tx: Transaction, key: str, version: int | None, known: UUID | None = None) -> Plan:
    """The version of a key that one subscribes to: the newest active one where no version is asked for.

    The version that a subscription is on (`known`) may be archived. Raises NotFound, InvalidState.
    """
    plan = await load_plan_by_key(tx, key, version, statuses=[PlanStatus.ACTIVE])
    if plan is None:
        raise NotFound(
            "No active plan has this key: publish a version of it first."
            if version is None
            else "No plan has this key and version.",
            "planKey",
        )
    if plan.status != PlanStatus.ACTIVE and plan.id != known:
        raise InvalidState(
            f"Version {plan.version} of the plan is {plan.status}: only an ACTIVE one can be subscribed to.",
            "planVersion",
        )
    return plan


async def load_plan_features(tx: Transaction, plan_ids: Sequence[UUID]) -> list[PlanFeature]:
    """The features of those plan versions, in the order in which they were given."""
    return await tx.fetch(_FEATURES, plan_ids=list(plan_ids))


async def next_plan_version(tx: WriteTransaction, key: str) -> int:
    """The version that comes next for a key; others who make one of it wait until this transaction ends."""
    await tx.fetch(_KEY_LOCK, key=key)
    return await tx.fetch_value(_NEXT_VERSION, key=key)


async def insert_plan(tx: WriteTransaction, features: Iterable[Feature], **values: Any) -> None:
    """Store a plan version with its features."""
    await tx.execute(_INSERT, **values)
    await tx.execute_many(
        _INSERT_FEATURE,
        [
            {
                "plan_id": values["id"],
                "position": position,
                "key": feature.key,
                "name": feature.name,
                "type": feature.type,
                "enforcement": feature.enforcement,
                "meter_id": feature.meter_id,
                "included": feature.included,
                "price": None if feature.price is None else document_from_price(feature.price),
            }
            for position, feature in enumerate(features)
        ],
    )
    await tell_catalog(tx)


async def set_plan_status(tx: WriteTransaction, plan_id: UUID, status: str) -> None:
    """Change the one thing of a plan version that changes."""
    await tx.execute(_SET_STATUS, id=plan_id, status=status)
    await tell_catalog(tx)


async def load_domain_plan(tx: Transaction, plan_id: UUID) -> DomainPlan:
    """A plan version as the calculation needs it."""
    return (await load_domain_plans(tx, [plan_id]))[plan_id]


async def load_domain_plans(tx: Transaction, plan_ids: Iterable[UUID]) -> dict[UUID, DomainPlan]:
    """Plan versions as the calculation needs them, by their ids."""
    ids = list(plan_ids)
    features: dict[UUID, list[PlanFeature]] = {plan_id: [] for plan_id in ids}
    for feature in await load_plan_features(tx, ids):
        features[feature.plan_id].append(feature)
    return {row.id: domain_plan(row, features[row.id]) for row in await load_plans(tx, ids)}


def domain_plan(row: Plan, features: Iterable[PlanFeature]) -> DomainPlan:
    """A plan version of its rows."""
    return DomainPlan(
        id=row.id,
        name=row.name,
        currency=row.currency,
        base_price=row.base_price_minor,
        interval=Interval(row.interval),
        interval_count=row.interval_count,
        timing=BillingTiming(row.timing),
        features=tuple(
            Feature(
                key=feature.key,
                name=feature.name,
                type=FeatureType(feature.type),
                enforcement=None if feature.enforcement is None else Enforcement(feature.enforcement),
                meter_id=feature.meter_id,
                included=feature.included,
                price=None if feature.price is None else price_from_document(feature.price),
            )
            for feature in features
        ),
    )


def document_from_price(price: UsagePrice) -> dict[str, Any]:
    """A price as it is stored: decimals as strings, so that nothing reads them as floats."""
    return {
        "model": price.model,
        "tiers": [
            {
                "upTo": None if tier.up_to is None else f"{tier.up_to:f}",
                "unitPrice": f"{tier.unit_price:f}",
                "flatFee": tier.flat_fee,
            }
            for tier in price.tiers
        ],
        "packageSize": None if price.package_size is None else f"{price.package_size:f}",
        "minimum": price.minimum,
        "maximum": price.maximum,
    }


def price_from_document(document: dict[str, Any]) -> UsagePrice:
    """The price that `document_from_price` stored."""
    return UsagePrice(
        model=PricingModel(document["model"]),
        tiers=tuple(
            Tier(
                up_to=_decimal(tier["upTo"]),
                unit_price=Decimal(tier["unitPrice"]),
                flat_fee=tier["flatFee"],
            )
            for tier in document["tiers"]
        ),
        package_size=_decimal(document["packageSize"]),
        minimum=document["minimum"],
        maximum=document["maximum"],
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
