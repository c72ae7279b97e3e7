"""Subscriptions and the period that each is in."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.domain.period import Period
from app.store.query import in_order_of
from app.store.subscription import load_clock, load_domain_subscriptions, load_subscriptions
from app.store.tables import Subscription
from app.store.tenancy import Transaction


class SubscriptionLoader(TenantLoader[UUID, Subscription | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Subscription | None]:
        """The subscription of each id."""
        return in_order_of(keys, await load_subscriptions(tx, keys), lambda row: row.id)


class CurrentPeriodLoader(TenantLoader[UUID, Period]):
    """The period that a subscription is in, by the tenant's clock."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Period]:
        """The current period of each subscription."""
        zone, now = await load_clock(tx)
        subscriptions = await load_domain_subscriptions(tx, keys, zone)
        return [subscriptions[key].current_period(now) for key in keys]
