"""plan.publish: DRAFT > ACTIVE."""

from uuid import UUID

from app.domain.audit import Change
from app.domain.errors import InvalidState, NotFound
from app.domain.plan import PlanStatus
from app.store.audit import record
from app.store.plan import lock_plan, set_plan_status
from app.store.tenancy import TenantDatabase


async def publish_plan(db: TenantDatabase, plan_id: UUID) -> None:
    """Open a plan version to subscriptions; from here on it never changes. Raises NotFound, InvalidState."""
    async with db.write() as tx:
        plan = await lock_plan(tx, plan_id)
        if plan is None:
            raise NotFound("No plan has this id.", "planId")
        if plan.status != PlanStatus.DRAFT:
            raise InvalidState(f"Only a plan that is DRAFT can be published; this one is {plan.status}.", "planId")
        await set_plan_status(tx, plan_id, PlanStatus.ACTIVE)
        await record(tx, "plan.publish", plan_id, {"status": Change(plan.status, PlanStatus.ACTIVE)})
