"""meter.create."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.errors import Invalid
from app.domain.text import key, optional_text, text
from app.domain.usage import Aggregation
from app.store.audit import record
from app.store.inbox import match_waiting
from app.store.meter import insert_meter
from app.store.query import new_id
from app.store.tenancy import TenantDatabase


@dataclass(frozen=True, slots=True)
class NewMeter:
    """What a new meter is made of; `property` names what UNIQUE counts, and goes with it alone."""

    key: str
    name: str
    unit: str | None
    aggregation: Aggregation
    property: str | None


async def create_meter(db: TenantDatabase, new: NewMeter) -> UUID:
    """Store a meter, match the usage events that waited for it, and give its id. Raises Invalid, AlreadyExists."""
    if new.aggregation is Aggregation.UNIQUE and new.property is None:
        raise Invalid("UNIQUE needs the property that it counts.", "property")
    if new.aggregation is not Aggregation.UNIQUE and new.property is not None:
        raise Invalid("Only UNIQUE takes a property; other aggregations read the quantity.", "property")
    async with db.write() as tx:
        meter_id = new_id()
        await insert_meter(
            tx,
            id=meter_id,
            key=key(new.key, "key"),
            name=text(new.name, "name"),
            unit=optional_text(new.unit, "unit", longest=50),
            aggregation=new.aggregation,
            property=optional_text(new.property, "property", longest=100),
            created_at=tx.now,
        )
        await match_waiting(tx, meter_key=new.key)
        await record(tx, "meter.create", meter_id, {"key": new.key})
        return meter_id
