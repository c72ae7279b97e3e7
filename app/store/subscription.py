"""Subscriptions: rows for reading as they are at the tenant's now, domain objects for their life."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from app.domain.subscription import Subscription as DomainSubscription
from app.domain.subscription import SubscriptionStatus
from app.store.page import Listing, newest_first
from app.store.plan import domain_plan, load_domain_plan, load_plan_features, plans
from app.store.query import Query, Relation, any_of, parameter
from app.store.tables import Subscription
from app.store.tenancy import Transaction, WriteTransaction, organizations

TENANT_NOW: Final = sa.func.coalesce(
    sa.select(organizations.c.test_clock).where(organizations.in_tenant).scalar_subquery(), sa.func.now()
)
"""The tenant's now, in a statement."""


def _at_now(columns: Any) -> dict[str, Any]:
    over = sa.and_(columns["cancel_at"].is_not(None), columns["cancel_at"] <= TENANT_NOW)
    return {
        "status": sa.case((over, sa.literal_column("'CANCELED'")), else_=columns["status"]),
        "ended_at": sa.case((over, sa.func.coalesce(columns["ended_at"], columns["cancel_at"]))),
    }


subscriptions = Relation(Subscription, computed=_at_now)
SubscriptionRow = subscriptions.row

_BY_ID: Final = subscriptions.where(subscriptions.c.id == any_of("ids"))
_LOCKED: Final = subscriptions.query(
    subscriptions.select(subscriptions.c.id == parameter("id", sa.Uuid)).with_for_update()
)
_INSERT: Final = subscriptions.insert()
_UPDATE: Final = subscriptions.update(
    "status", "quantity", "cancel_requested_at", "cancel_at", "cancel_reason", "ended_at", "version", "updated_at"
)
_CLOCK: Final = Query(
    sa.select(organizations.c.time_zone, sa.func.coalesce(organizations.c.test_clock, sa.func.now())).where(
        organizations.in_tenant
    )
)

listing: Final = Listing(
    subscriptions,
    orders=newest_first(subscriptions),
    filters={
        "status": subscriptions.computed["status"] == any_of("status", sa.Text),
        "plan_key": subscriptions.c.plan_id.in_(
            sa.select(plans.c.id).where(plans.in_tenant, plans.c.key == parameter("plan_key", sa.Text))
        ),
        "customer_id": subscriptions.c.customer_id == parameter("customer_id", sa.Uuid),
    },
    parents={"customer": subscriptions.c.customer_id},
)


async def load_subscriptions(tx: Transaction, ids: Sequence[UUID]) -> list[Subscription]:
    """The subscriptions with those ids."""
    return await tx.fetch(_BY_ID, ids=list(ids))


async def load_clock(tx: Transaction) -> tuple[ZoneInfo, datetime]:
    """The organization's time zone and its now."""
    row = await tx.fetch_row(_CLOCK)
    if row is None:
        raise LookupError("The active organization is gone.")
    zone, now = row
    return ZoneInfo(zone), now


async def load_domain_subscriptions(
    tx: Transaction, ids: Sequence[UUID], zone: ZoneInfo
) -> dict[UUID, DomainSubscription]:
    """The subscriptions with those ids and their plans, as their life needs them, by four statements at most."""
    rows = await load_subscriptions(tx, ids)
    plan_ids = list({row.plan_id for row in rows})
    plan_rows = await tx.fetch(_PLANS, ids=plan_ids)
    features: dict[UUID, list[Any]] = {plan_id: [] for plan_id in plan_ids}
    for feature in await load_plan_features(tx, plan_ids):
        features[feature.plan_id].append(feature)
    by_id = {row.id: domain_plan(row, features[row.id]) for row in plan_rows}
    return {row.id: _domain(row, by_id[row.plan_id], zone) for row in rows}


_PLANS: Final = plans.where(plans.c.id == any_of("ids"))


async def lock_subscription(tx: WriteTransaction, subscription_id: UUID) -> DomainSubscription | None:
    """The subscription with that id, until the transaction ends nobody else's to change."""
    row = await tx.fetch_row(_LOCKED, id=subscription_id)
    if row is None:
        return None
    return _domain(row, await load_domain_plan(tx, row.plan_id), tx.facts.zone)


async def insert_subscription(
    tx: WriteTransaction, subscription: DomainSubscription, properties: Mapping[str, str]
) -> None:
    """Store a new subscription."""
    await tx.execute(
        _INSERT,
        customer_id=subscription.customer_id,
        plan_id=subscription.plan.id,
        started_at=subscription.started_at,
        billing_anchor=subscription.billing_anchor,
        properties=dict(properties),
        created_at=tx.now,
        **_changing(subscription, tx.now),
    )


async def save_subscription(tx: WriteTransaction, subscription: DomainSubscription) -> None:
    """Store what changed in a subscription's life."""
    await tx.execute(_UPDATE, **_changing(subscription, tx.now))


def _changing(subscription: DomainSubscription, now: datetime) -> dict[str, Any]:
    return {
        "id": subscription.id,
        "status": subscription.status,
        "quantity": subscription.quantity,
        "cancel_requested_at": subscription.cancel_requested_at,
        "cancel_at": subscription.cancel_at,
        "cancel_reason": subscription.cancel_reason,
        "ended_at": subscription.ended_at,
        "version": subscription.version,
        "updated_at": now,
    }


def _domain(row: Subscription, plan: Any, zone: ZoneInfo) -> DomainSubscription:
    return DomainSubscription(
        id=row.id,
        customer_id=row.customer_id,
        quantity=row.quantity,
        started_at=row.started_at,
        billing_anchor=row.billing_anchor,
        plan=plan,
        zone=zone,
        status=SubscriptionStatus(row.status),
        cancel_requested_at=row.cancel_requested_at,
        cancel_at=row.cancel_at,
        cancel_reason=row.cancel_reason,
        ended_at=row.ended_at,
        version=row.version,
    )
