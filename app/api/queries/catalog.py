"""Meters and plans."""

from typing import Annotated, Any

import strawberry

from app.api.pagination import Connection, ListRequest, PageArguments, Paged, connection_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.enums import PlanStatus
from app.api.types.input import given
from app.api.types.meter import Meter
from app.api.types.plan import Plan
from app.store import meter, plan


@strawberry.type
class CatalogQueries:
    """What can be counted and subscribed to."""

    @strawberry.field(extensions=[Reads("meter:read"), Paged()], description="The meters, the newest first.")
    async def meters(
        self,
        info: Info,
        page: PageArguments,
    ) -> Connection[Meter]:
        """A page of meters."""
        return await connection_of(info, meter.listing, ListRequest(page, {}))

    @strawberry.field(
        extensions=[Reads("plan:read")],
        description="A version of a plan; its newest version, whatever its status, where none is given.",
    )
    async def plan(
        self,
        info: Info,
        key: Annotated[str, strawberry.argument(description="What all versions of the plan share.")],
        version: Annotated[
            int | None, strawberry.argument(description="Which of them; the newest where it is left out.")
        ] = strawberry.UNSET,
    ) -> Plan | None:
        """A plan version."""
        return await _plan(info, key, given(version))

    @strawberry.field(extensions=[Reads("plan:read"), Paged()], description="The plan versions, the newest first.")
    async def plans(
        self,
        info: Info,
        page: PageArguments,
        status: Annotated[
            list[PlanStatus] | None, strawberry.argument(description="In one of these.")
        ] = strawberry.UNSET,
    ) -> Connection[Plan]:
        """A page of plan versions."""
        wanted = given(status)
        filters = {} if wanted is None else {"status": list(wanted)}
        request = ListRequest(page, filters)
        return await connection_of(info, plan.listing, request)


async def _plan(info: Info, key: str, version: int | None) -> Any:
    return await plan.load_plan_by_key(await info.context.db.snapshot(), key, version)
