"""plan.archive: ACTIVE > ARCHIVED."""

from uuid import UUID

from app.domain.audit import Change
from app.domain.errors import InvalidState, NotFound
from app.domain.plan import PlanStatus
from app.store.audit import record
from app.store.plan import lock_plan, set_plan_status
from app.store.tenancy import TenantDatabase


async def archive_plan(db: TenantDatabase, plan_id: UUID) -> None:
    """Close a plan version to new subscriptions; those that are on it stay. Raises NotFound, InvalidState."""
    async with db.write() as tx:
        plan = await lock_plan(tx, plan_id)
        if plan is None:
            raise NotFound("No plan has this id.", "planId")
        if plan.status != PlanStatus.ACTIVE:
            raise InvalidState(f"Only a plan that is ACTIVE can be archived; this one is {plan.status}.", "planId")
        await set_plan_status(tx, plan_id, PlanStatus.ARCHIVED)
        await record(tx, "plan.archive", plan_id, {"status": Change(plan.status, PlanStatus.ARCHIVED)})
