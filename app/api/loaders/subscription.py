"""Subscriptions and the period that each is in."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.domain.billing import due_at_boundary
from app.domain.period import Period
from app.domain.subscription import Subscription as DomainSubscription
from app.domain.subscription import upcoming_boundary
from app.store.adjustment import Adjustment, find_adjustments
from app.store.billing import Priced, load_accounts_at, price
from app.store.late_usage import load_late
from app.store.query import grouped, in_order_of
from app.store.subscription import load_clock, load_domain_subscriptions, load_subscriptions
from app.store.tables import Subscription
from app.store.tenancy import Transaction


class SubscriptionLoader(TenantLoader[UUID, Subscription | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Subscription | None]:
        """The subscription of each id."""
        rows = await load_subscriptions(tx, keys, self.context.columns("Subscription", "id"))
        return in_order_of(keys, rows, lambda row: row.id)


class Life(NamedTuple):
    """A subscription as its life needs it, and the tenant's now."""

    subscription: DomainSubscription
    now: datetime


class LifeLoader(TenantLoader[UUID, Life]):
    """Of which the loaders below make what follows from a timeline and the clock: phases and plans are read once."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Life]:
        """The life of each subscription."""
        zone, now = await load_clock(tx)
        subscriptions = await load_domain_subscriptions(tx, keys, zone)
        return [Life(subscriptions[key], now) for key in keys]


class CurrentPeriodLoader(TenantLoader[UUID, Period]):
    """The period that a subscription is in, by the tenant's clock."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Period]:  # noqa: ARG002 - lives do
        """The current period of each subscription."""
        lives = await self.context.loaders.get(LifeLoader).load_together(keys)
        return [life.subscription.timeline.current_period(life.now) for life in lives]


class UpcomingBillLoader(TenantLoader[UUID, Priced]):
    """What a subscription's current period would be billed at its boundary, by what is recorded now."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Priced]:
        """The upcoming bill of each subscription."""
        lives = await self.context.loaders.get(LifeLoader).load_together(keys)
        boundaries = {
            key: (life.subscription, upcoming_boundary(life.subscription, life.now))
            for key, life in zip(keys, lives, strict=True)
        }
        accounts = await load_accounts_at(tx, boundaries)
        dues = [
            (subscription, due_at_boundary(subscription.timeline, at, accounts[key].final))
            for key, (subscription, at) in boundaries.items()
        ]
        return await price(tx, dues)


class PendingAdjustmentsLoader(TenantLoader[UUID, list[Adjustment]]):
    """What the next billing run would book for periods of a subscription that are invoiced, by what is recorded now."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[list[Adjustment]]:
        """The adjustments of each subscription, in the order of their periods."""
        lives = await self.context.loaders.get(LifeLoader).load_together(keys)
        stretches = await load_late(tx, keys)
        marked = [
            (life.subscription, stretches[key]) for key, life in zip(keys, lives, strict=True) if key in stretches
        ]
        found = [each for each in await find_adjustments(tx, marked) if each.lines] if marked else []
        return grouped(keys, found, lambda adjustment: adjustment.subscription.id)
