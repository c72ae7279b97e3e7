"""test_clock.advance: a TEST organization's now moves forward, and all that falls due on the way is done."""

from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from app.domain.audit import Change
from app.domain.clock import clock_at
from app.domain.daily import next_daily_run
from app.domain.errors import Invalid, InvalidState, LimitExceeded
from app.domain.period import Interval, boundary, shown
from app.store.adjustment import adjust_chunk
from app.store.audit import record
from app.store.billing import bill_chunk
from app.store.due import count_due, count_late, lock_due, lock_late
from app.store.organization import lock_clock, update_organization
from app.store.tables.organization import Mode
from app.store.tenancy import TenantDatabase, WriteTransaction

log = structlog.get_logger(__name__)

INVOICES_MAX: Final = 1_000
"""How many invoices one step forward may make."""

_CHUNK: Final = 100


async def advance_test_clock(db: TenantDatabase, to: datetime) -> None:
    """Move the clock to a later instant, at most two years on, and bill on the way what falls due, when it does.

    Trials, pauses and lives end by the clock alone. A subscription whose billing fails stays due and stops nothing.
    Raises InvalidState for a LIVE organization, Invalid, LimitExceeded where more than 1,000 invoices would be made.
    """
    async with db.write() as tx:
        if tx.facts.mode is not Mode.TEST:
            raise InvalidState("Only a TEST organization has a clock of its own; this one is LIVE.")
        tx.now = stood_at = await lock_clock(tx)
        if to <= tx.now:
            raise Invalid(f"The clock stands at {shown(tx.now)}: give a later instant.", "to")
        if to > boundary(tx.now, Interval.YEAR, 2, 1, tx.facts.zone):
            raise Invalid("Advance by at most two years at a time.", "to")
        clock_at(to, "to")
        invoices = await _bill_on_the_way(tx, to)
        tx.now = to
        await update_organization(tx, test_clock=to, updated_at=to)
        changes = {"testClock": Change(shown(stood_at), shown(to)), "invoices": invoices}
        await record(tx, "test_clock.advance", tx.organization_id, changes, of="organization")


async def _bill_on_the_way(tx: WriteTransaction, to: datetime) -> int:
    """Bill what falls due when it does, and adjust what is marked when the daily run would; how many invoices."""
    invoices = 0
    failed: set[UUID] = set()
    while invoices <= INVOICES_MAX:
        _, due_at = await count_due(tx, to, failed)
        _, marked_at = await count_late(tx, to, failed)
        adjusts_at = None if marked_at is None else next_daily_run(marked_at, tx.facts.zone)
        if due_at is not None and (adjusts_at is None or due_at <= adjusts_at):
            tx.now = max(tx.now, due_at)
            made, failures = await bill_chunk(tx, await lock_due(tx, tx.now, _CHUNK, failed), tx.now)
        elif adjusts_at is not None and adjusts_at <= to:
            tx.now = max(tx.now, adjusts_at)
            made, failures = await adjust_chunk(tx, await lock_late(tx, tx.now, _CHUNK, failed), tx.now)
        else:
            return invoices
        for subscription_id, error in failures.items():
            log.error("billing.failed", subscription_id=str(subscription_id), exc_info=error)
        failed |= failures.keys()
        invoices += made
    raise LimitExceeded(f"Over {INVOICES_MAX:,} invoices fall due by then: advance in smaller steps.", "to")
