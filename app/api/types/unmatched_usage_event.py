"""An event that waits for what it names."""

from datetime import datetime

import strawberry

from app.api.loaders.meter import MeterByKeyLoader
from app.api.tenancy import Info
from app.store.tables import UnmatchedUsageEvent as Row


@strawberry.type(
    description=(
        "An event that names a customer or meter that does not exist yet. It is matched by itself once that does."
    )
)
class UnmatchedUsageEvent:
    """An event in the inbox; its values are the store's rows."""

    event_id: str = strawberry.field(description="The sender's id of the event.")
    source: str = strawberry.field(description="Who sent it.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    recorded_at: datetime = strawberry.field(description="When it came in.")

    @strawberry.field(description="The key of the meter that is to count it.", metadata={"reads": ("meter_key",)})
    def meter(event: strawberry.Parent[Row]) -> str:
        """The key, whether there is such a meter or not."""
        return event.meter_key

    @strawberry.field(
        description="What it waits for.", metadata={"reads": ("meter_key", "customer_id", "external_customer_id")}
    )
    async def reason(event: strawberry.Parent[Row], info: Info) -> str:
        """The meter, if that is missing, or else the customer."""
        if await info.context.loaders.get(MeterByKeyLoader).load(event.meter_key) is None:
            return f"No meter has the key {event.meter_key}."
        if event.customer_id is None:
            return f"No customer has the external id {event.external_customer_id}."
        return "It is being matched."
