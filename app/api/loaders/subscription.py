"""Subscriptions and the period that each is in."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.domain.billing import due_at_boundary
from app.domain.period import Period
from app.domain.subscription import upcoming_boundary
from app.store.billing import Priced, load_accounts_at, price
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
        return [subscriptions[key].timeline.current_period(now) for key in keys]


class UpcomingBillLoader(TenantLoader[UUID, Priced]):
    """What a subscription's current period would be billed at its boundary, by what is recorded now."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Priced]:
        """The upcoming bill of each subscription."""
        zone, now = await load_clock(tx)
        subscriptions = await load_domain_subscriptions(tx, keys, zone)
        boundaries = {key: (subscriptions[key], upcoming_boundary(subscriptions[key], now)) for key in keys}
        accounts = await load_accounts_at(tx, boundaries)
        dues = [
            (subscription, due_at_boundary(subscription.timeline, at, accounts[key].final))
            for key, (subscription, at) in boundaries.items()
        ]
        return await price(tx, dues)
