"""billing.run: every period that has ended is billed, and what changed in billed ones; each subscription by itself."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import structlog

from app.domain.errors import Invalid, Refusal
from app.domain.job import JobKind
from app.domain.period import shown
from app.store.adjustment import adjust_chunk
from app.store.audit import record
from app.store.billing import bill_chunk
from app.store.connection import TooSlow
from app.store.due import count_due, count_late, lock_due, lock_late
from app.store.queue import enqueue
from app.store.tenancy import TenantDatabase, WriteTransaction

log = structlog.get_logger(__name__)

ACTION: Final = "billing.run"

CHUNK: Final = 50
"""How many subscriptions are billed in one transaction."""


@dataclass(frozen=True, slots=True)
class BillingFailure:
    """A subscription whose billing failed, and why; the next run tries it again."""

    subscription_id: UUID
    message: str


@dataclass(frozen=True, slots=True)
class BillingSummary:
    """What a run made, what failed, and how many subscriptions it left due for want of time."""

    invoices: int = 0
    failures: tuple[BillingFailure, ...] = ()
    remaining: int = 0


async def run_billing(
    db: TenantDatabase,
    until: datetime | None = None,
    told: Callable[[BillingSummary], None] | None = None,
    seconds: int | None = None,
) -> BillingSummary:
    """Bill what has fallen due by an instant (now where it is left out), then book the difference to periods that are
    billed and whose usage changed, and say what came of it.

    A transaction for each chunk of subscriptions; where a chunk fails, its subscriptions are billed one by one, so that
    a failure blocks no other (E13). Any number of runs at once bill nothing twice: what one is at, the others pass by.
    After `seconds` it begins no other chunk and leaves the rest to a job. `told` hears the summary after each chunk.
    What a chunk made is recorded with it; a run that makes nothing is recorded as well, so that whoever asked is found.
    Raises Invalid for an instant that is still to come, Unavailable.
    """
    deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
    summary = BillingSummary()
    adjusted: set[UUID] = set()
    while True:
        failed = {failure.subscription_id for failure in summary.failures}
        async with db.write() as tx:
            if until is not None and until > tx.now:
                raise Invalid(f"It is {shown(tx.now)}: give an instant that has come.", "until")
            instant = until or tx.now
            if deadline is not None and asyncio.get_running_loop().time() > deadline:
                left, _ = await count_due(tx, instant, failed)
                left += (await count_late(tx, instant, failed | adjusted))[0]
                if left:
                    await enqueue(tx, JobKind.BILLING_RUN, {"until": instant.isoformat()}, once_key="rest")
                return await _ended(tx, replace(summary, remaining=left))
            made = await _bill_some(tx, instant, failed, adjusted)
            if made is None:
                return await _ended(tx, summary)
            if made.invoices:
                await record(tx, ACTION, None, {"invoices": made.invoices})
        adjusted.update(made.adjusted)
        summary = BillingSummary(
            summary.invoices + made.invoices,
            (*summary.failures, *(_failure(*each) for each in made.failures.items())),
        )
        if told is not None:
            told(summary)


class _Made(NamedTuple):
    """What one transaction made, what failed on which subscription, and which were adjusted."""

    invoices: int
    failures: dict[UUID, Exception]
    adjusted: Sequence[UUID] = ()


async def _bill_some(tx: WriteTransaction, until: datetime, failed: set[UUID], adjusted: set[UUID]) -> _Made | None:
    """Bill some of what is due, else adjust some of what is marked; None where neither is left.

    Those whose usage others are storing come last, and are not waited for: one that never rests is billed as well.
    """
    for in_use in (False, True):
        if chunk := await lock_due(tx, until, CHUNK, failed, in_use=in_use):
            return _Made(*await bill_chunk(tx, chunk, until, in_use=in_use))
    for in_use in (False, True):
        if chunk := await lock_late(tx, until, CHUNK, failed | adjusted, in_use=in_use):
            return _Made(*await adjust_chunk(tx, chunk, until, in_use=in_use), chunk)
    return None


def _failure(subscription_id: UUID, error: Exception) -> BillingFailure:
    log.error("billing.failed", subscription_id=str(subscription_id), exc_info=error)
    return BillingFailure(subscription_id, _why(error))


def _why(error: Exception) -> str:
    match error:
        case Refusal():
            return error.message
        case TooSlow():
            return "Its usage took too long to count: raise the statement's timeout, or bill when less is going on."
        case _:
            return "Its plan or its usage cannot be read or priced: the server's log says why."


async def _ended(tx: WriteTransaction, summary: BillingSummary) -> BillingSummary:
    if not summary.invoices:
        await record(tx, ACTION, None, {"invoices": 0, "failures": len(summary.failures)})
    log.info(ACTION, invoices=summary.invoices, failures=len(summary.failures), remaining=summary.remaining)
    return summary
