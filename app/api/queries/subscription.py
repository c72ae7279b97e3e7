"""Subscriptions."""

from typing import Annotated, Any

import strawberry

from app.api.ids import SUBSCRIPTION, uuid_of
from app.api.loaders.subscription import SubscriptionLoader
from app.api.pagination import Connection, PageArguments, Paged, connection_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.filters import SubscriptionFilter, subscription_list
from app.api.types.subscription import Subscription
from app.store.subscription import listing


@strawberry.type
class SubscriptionQueries:
    """Subscriptions by id and as a list."""

    @strawberry.field(
        extensions=[Reads("subscription:read")], description="A subscription by its id; null where there is none."
    )
    async def subscription(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Subscription | None:
        """A subscription."""
        return await _subscription(info, id)

    @strawberry.field(
        extensions=[Reads("subscription:read"), Paged()], description="The subscriptions, the newest first."
    )
    async def subscriptions(
        self,
        info: Info,
        page: PageArguments,
        filter: SubscriptionFilter | None = strawberry.UNSET,
    ) -> Connection[Subscription]:
        """A page of subscriptions."""
        return await connection_of(info, listing, subscription_list(page, filter))


async def _subscription(info: Info, id: str) -> Any:
    return await info.context.loaders.get(SubscriptionLoader).load(uuid_of(SUBSCRIPTION, id))
