"""billing.schedule: an organization's daily run, once its time has come."""

from app.domain.job import JobKind
from app.store.organization import take_billing_run
from app.store.queue import enqueue
from app.store.tenancy import TenantDatabase


async def schedule_billing(db: TenantDatabase) -> bool:
    """Enqueue the run that is due and move the next one to tomorrow; False where none is due, or another did it.

    One transaction: a run that is enqueued is never due again, however many ask at once.
    """
    async with db.write() as tx:
        if not await take_billing_run(tx):
            return False
        await enqueue(tx, JobKind.BILLING_RUN, {"until": None}, once_key=tx.now.isoformat())
        return True
