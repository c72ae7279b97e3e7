"""Subscriptions: rows for reading as they are at the tenant's now, domain objects for their life."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from app.domain.errors import NotFound
from app.domain.plan import Plan
from app.domain.subscription import Subscription as DomainSubscription
from app.domain.subscription import SubscriptionStatus
from app.domain.timeline import Pause, Phase, Timeline
from app.store.news import tell_terms
from app.store.page import Listing, newest_first
from app.store.plan import load_domain_plans, plans
from app.store.query import Columns, Query, Relation, any_of, columns_of, parameter
from app.store.tables import Subscription, SubscriptionPause, SubscriptionPhase
from app.store.tenancy import Transaction, WriteTransaction, organizations

TENANT_NOW: Final = sa.func.coalesce(
    sa.select(organizations.c.test_clock).where(organizations.in_tenant).scalar_subquery(), sa.func.now()
)
"""The tenant's now, in a statement."""


def _at_now(columns: Any) -> dict[str, Any]:
    """What follows from the clock (decision 0005); the domain's `Subscription.status` says the same."""
    over = sa.and_(columns["cancel_at"].is_not(None), columns["cancel_at"] <= TENANT_NOW)
    resumed = sa.and_(columns["resumes_at"].is_not(None), columns["resumes_at"] <= TENANT_NOW)
    paused = sa.and_(columns["paused_at"].is_not(None), columns["paused_at"] <= TENANT_NOW, sa.not_(resumed))
    status = sa.case(
        (over, sa.literal_column(f"'{SubscriptionStatus.CANCELED}'")),
        (paused, sa.literal_column(f"'{SubscriptionStatus.PAUSED}'")),
        (columns["trial_end"] > TENANT_NOW, sa.literal_column(f"'{SubscriptionStatus.TRIALING}'")),
        (columns["past_due_at"].is_not(None), sa.literal_column(f"'{SubscriptionStatus.PAST_DUE}'")),
        else_=sa.literal_column(f"'{SubscriptionStatus.ACTIVE}'"),
    )
    still_paused = sa.and_(paused, sa.not_(over))
    return {
        "status": status,
        "ended_at": sa.case((over, columns["cancel_at"])),
        "paused_at": sa.case((still_paused, columns["paused_at"])),
        "resumes_at": sa.case((still_paused, columns["resumes_at"])),
    }


subscriptions = Relation(Subscription, computed=_at_now)
PlansOf = Callable[[Transaction, Iterable[UUID]], Awaitable[dict[UUID, Plan]]]
phases = Relation(SubscriptionPhase)
pauses = Relation(SubscriptionPause)
SubscriptionRow = subscriptions.row

_BY_ID: Final = subscriptions.where(subscriptions.c.id == any_of("ids"))
_LOCKED: Final = subscriptions.query(
    subscriptions.select(subscriptions.c.id == parameter("id", sa.Uuid)).with_for_update()
)
_NOT_OVER: Final = subscriptions.query(
    subscriptions.select(
        subscriptions.c.customer_id == any_of("customer_ids"),
        sa.or_(
            subscriptions.c.cancel_at.is_(None),
            subscriptions.c.cancel_at > parameter("now", sa.DateTime(timezone=True)),
        ),
    ).order_by(subscriptions.c.created_at, subscriptions.c.id)
)
_INSERT: Final = subscriptions.insert()
_UPDATE: Final = subscriptions.update(
    "plan_id",
    "billing_anchor",
    "quantity",
    "status",
    "cancel_requested_at",
    "cancel_at",
    "cancel_reason",
    "ended_at",
    "paused_at",
    "resumes_at",
    "past_due_at",
    "billed_until",
    "due_at",
    "version",
    "updated_at",
)
_MOVE_BILLING: Final = subscriptions.update_many("billed_until", "due_at")
_REOPEN: Final = Query(
    """
    update subscriptions
    set billed_until = least(billed_until, :since ::timestamptz - interval '1 microsecond'),
        due_at = least(due_at, :now)
    where organization_id = :organization_id and id = :id
    """
)
_PHASES: Final = phases.query(
    phases.select(phases.c.subscription_id == any_of("ids")).order_by(phases.c.subscription_id, phases.c.number)
)
_PAUSES: Final = pauses.query(
    pauses.select(pauses.c.subscription_id == any_of("ids")).order_by(pauses.c.subscription_id, pauses.c.number)
)
_INSERT_PHASE: Final = phases.insert()
_INSERT_PAUSE: Final = pauses.insert()
_END_PHASE: Final = Query(
    """
    update subscription_phases set ends_at = :ends_at
    where organization_id = :organization_id and subscription_id = :subscription_id and number = :number
    """
)
_END_PAUSE: Final = Query(
    """
    update subscription_pauses set ends_at = :ends_at
    where organization_id = :organization_id and subscription_id = :subscription_id and number = :number
    """
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


async def load_subscriptions(tx: Transaction, ids: Sequence[UUID], columns: Columns = None) -> list[Subscription]:
    """The subscriptions with those ids."""
    return await tx.fetch(_BY_ID.of(columns), ids=list(ids))


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
    """The subscriptions with those ids, as their life needs them, by five statements."""
    return await _domain(tx, await load_subscriptions(tx, ids), zone)


async def load_lives_of_customers(
    tx: Transaction, customer_ids: Sequence[UUID], zone: ZoneInfo, now: datetime, plans_of: PlansOf
) -> list[DomainSubscription]:
    """The subscriptions of those customers that are not over by then, the first made first."""
    rows = await tx.fetch(_NOT_OVER, customer_ids=list(customer_ids), now=now)
    return list((await _domain(tx, rows, zone, plans_of)).values())


async def lock_subscription(tx: WriteTransaction, subscription_id: UUID) -> DomainSubscription:
    """The subscription with that id, until the transaction ends nobody else's to change. Raises NotFound."""
    row = await tx.fetch_row(_LOCKED, id=subscription_id)
    if row is None:
        raise NotFound("No subscription has this id.", "subscriptionId")
    return (await _domain(tx, [row], tx.facts.zone))[row.id]


async def insert_subscription(
    tx: WriteTransaction, subscription: DomainSubscription, properties: Mapping[str, str]
) -> None:
    """Store a new subscription with its first phase."""
    await tx.execute(
        _INSERT,
        customer_id=subscription.customer_id,
        started_at=subscription.timeline.started_at,
        trial_end=subscription.timeline.trial_end,
        properties=dict(properties),
        created_at=tx.now,
        **_changing(subscription, tx.now),
    )
    await tx.execute(_INSERT_PHASE, **_phase(subscription, 1))
    await tell_terms(tx, subscription.customer_id)


async def save_subscription(tx: WriteTransaction, subscription: DomainSubscription, before: DomainSubscription) -> None:
    """Store what changed in a subscription's life since `before`; earlier phases and pauses stay, the last ones end."""
    await tx.execute(_UPDATE, **_changing(subscription, tx.now))
    phases_before, pauses_before = before.timeline.phases, before.timeline.pauses
    for number in range(len(phases_before) + 1, len(subscription.timeline.phases) + 1):
        begins = subscription.timeline.phases[number - 1].starts_at
        await tx.execute(_END_PHASE, subscription_id=subscription.id, number=number - 1, ends_at=begins)
        await tx.execute(_INSERT_PHASE, **_phase(subscription, number))
    for number, pause in enumerate(subscription.timeline.pauses, 1):
        if number > len(pauses_before):
            await tx.execute(
                _INSERT_PAUSE,
                subscription_id=subscription.id,
                number=number,
                starts_at=pause.starts_at,
                ends_at=pause.ends_at,
            )
        elif pause != pauses_before[number - 1]:
            await tx.execute(_END_PAUSE, subscription_id=subscription.id, number=number, ends_at=pause.ends_at)
    await tell_terms(tx, subscription.customer_id)


async def move_billing(tx: WriteTransaction, moved: Iterable[tuple[DomainSubscription, datetime | None]]) -> None:
    """Store how far subscriptions are billed, and when each is to be looked at again."""
    rows = [{"id": each.id, "billed_until": each.billed_until, "due_at": due_at} for each, due_at in moved]
    if rows:
        await tx.execute(_MOVE_BILLING, **columns_of(rows))


async def reopen_billing(tx: WriteTransaction, subscription_id: UUID, since: datetime) -> None:
    """Let the next billing run look again at what is due since an instant: an invoice of it was taken back."""
    await tx.execute(_REOPEN, id=subscription_id, since=since, now=tx.now)


async def _domain(
    tx: Transaction, rows: Sequence[Subscription], zone: ZoneInfo, plans_of: PlansOf = load_domain_plans
) -> dict[UUID, DomainSubscription]:
    ids = [row.id for row in rows]
    if not ids:
        return {}
    phase_rows, pause_rows = await tx.fetch(_PHASES, ids=ids), await tx.fetch(_PAUSES, ids=ids)
    plans_by_id = await plans_of(tx, {row.plan_id for row in phase_rows})
    phases_of: dict[UUID, list[Phase]] = defaultdict(list)
    for row in phase_rows:
        phases_of[row.subscription_id].append(
            Phase(row.starts_at, row.fee_from, plans_by_id[row.plan_id], row.quantity, row.billing_anchor)
        )
    pauses_of: dict[UUID, list[Pause]] = defaultdict(list)
    for row in pause_rows:
        pauses_of[row.subscription_id].append(Pause(row.starts_at, row.ends_at))
    return {
        row.id: DomainSubscription(
            id=row.id,
            customer_id=row.customer_id,
            timeline=Timeline(
                zone=zone,
                started_at=row.started_at,
                phases=tuple(phases_of[row.id]),
                pauses=tuple(pauses_of[row.id]),
                trial_end=row.trial_end,
                ends_at=row.cancel_at,
            ),
            billed_until=row.billed_until,
            cancel_requested_at=row.cancel_requested_at,
            cancel_reason=row.cancel_reason,
            past_due_at=row.past_due_at,
            version=row.version,
        )
        for row in rows
    }


def _phase(subscription: DomainSubscription, number: int) -> dict[str, Any]:
    phase = subscription.timeline.phases[number - 1]
    return {
        "subscription_id": subscription.id,
        "number": number,
        "starts_at": phase.starts_at,
        "ends_at": None,
        "fee_from": phase.fee_from,
        "plan_id": phase.plan.id,
        "quantity": phase.quantity,
        "billing_anchor": phase.anchor,
    }


def _changing(subscription: DomainSubscription, now: datetime) -> dict[str, Any]:
    timeline = subscription.timeline
    pause = timeline.pauses[-1] if timeline.pauses else None
    status = subscription.status(now)
    return {
        "id": subscription.id,
        "plan_id": subscription.plan.id,
        "billing_anchor": subscription.billing_anchor,
        "quantity": subscription.quantity,
        "status": status,
        "cancel_requested_at": subscription.cancel_requested_at,
        "cancel_at": timeline.ends_at,
        "cancel_reason": subscription.cancel_reason,
        "ended_at": timeline.ends_at if status is SubscriptionStatus.CANCELED else None,
        "paused_at": None if pause is None else pause.starts_at,
        "resumes_at": None if pause is None else pause.ends_at,
        "past_due_at": subscription.past_due_at,
        "billed_until": subscription.billed_until,
        "due_at": subscription.due_at,
        "version": subscription.version,
        "updated_at": now,
    }
