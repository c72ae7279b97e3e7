"""How events become a quantity."""

from datetime import datetime
from typing import Any

import strawberry

from app.api.ids import METER
from app.api.types.enums import Aggregation
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import OrganizationRef
from app.store.meter import MeterRow


@strawberry.type(description="How events become a quantity.")
class Meter(Node, OrganizationOwned):
    """A meter; its values are the store's rows."""

    id: strawberry.ID = id_field(METER)
    organization: OrganizationRef = owner_field()
    key: str = strawberry.field(description="What events and plans name it by.")
    name: str = strawberry.field(description="For people.")
    unit: str | None = strawberry.field(description="What it counts: calls, GB, seats.")
    aggregation: Aggregation = strawberry.field(description="How events make one quantity.")
    property: str | None = strawberry.field(
        description="The event property that UNIQUE counts; other aggregations read the event's quantity."
    )
    created_at: datetime = strawberry.field(description="When it was made.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is a meter's row."""
        return isinstance(value, MeterRow)
