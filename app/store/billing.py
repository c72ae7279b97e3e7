"""The steps of billing that more than one operation takes, for many subscriptions at once.

What falls due is the domain's to say (`app/domain/billing.py`); here it is priced by what is recorded, drafted,
finalized, and the subscription's place in its billing moved on.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from app.domain.billing import Due, UsageDue, Used, billed_features, due_at_boundary, lines_of
from app.domain.charge import ChargeLine
from app.domain.coverage import Coverage
from app.domain.errors import InvalidState
from app.domain.invoice import Invoice, drafted
from app.domain.period import Period
from app.domain.subscription import Subscription
from app.domain.timeline import TICK, Timeline, cut_to
from app.domain.usage import Aggregation
from app.store.audit import record, record_all
from app.store.connection import TRY_AGAIN, TooSlow, Unavailable
from app.store.coverage import Accounts, Draft, document_from_coverage, load_accounts
from app.store.finalization import finalize_drafts
from app.store.invoice import insert_invoices, insert_lines, lock_invoice, replace_generated_lines
from app.store.late_usage import Stretch, insert_late
from app.store.meter import load_meters
from app.store.quantity import Measure, load_quantities
from app.store.query import new_id
from app.store.subscription import load_domain_subscriptions, move_billing
from app.store.tenancy import Transaction, WriteTransaction

DRAFT_GRACE: Final = timedelta(days=3)
"""How long after a period's end its draft may wait for review before the billing run finalizes it (M16)."""


@dataclass(frozen=True, slots=True)
class Priced:
    """What is due on a subscription, with the lines that it gives."""

    subscription: Subscription
    due: Due
    lines: tuple[ChargeLine, ...]

    @property
    def covers(self) -> Coverage:
        """What an invoice of it accounts for."""
        return self.due.covers + counts_of(self.lines)


def counts_of(lines: Iterable[ChargeLine]) -> Coverage:
    """The quantities that lines price."""
    return Coverage(counts=tuple(count for line in lines for count in line.counts))


async def load_accounts_at(
    tx: Transaction, boundaries: Mapping[UUID, tuple[Subscription, datetime]]
) -> dict[UUID, Accounts]:
    """What the invoices of each subscription account for around a boundary, and later."""
    return await load_accounts(
        tx,
        {
            key: subscription.timeline.period_around(boundary - TICK).whole.start
            for key, (subscription, boundary) in boundaries.items()
        },
    )


async def price(tx: Transaction, dues: Sequence[tuple[Subscription, Due]]) -> list[Priced]:
    """The lines of what is due on many subscriptions, of the usage that is recorded by now.

    Raises Invalid where an amount passes the bounds.
    """
    used = await count_usage(tx, [(subscription, due.usage) for subscription, due in dues])
    return [
        Priced(subscription, due, lines_of(due, subscription.timeline, mine))
        for (subscription, due), mine in zip(dues, used, strict=True)
    ]


async def count_usage(tx: Transaction, dues: Sequence[tuple[Subscription, Sequence[UsageDue]]]) -> list[Used]:
    """What was used of each subscription's shares, in their order, by what is recorded now."""
    asked = [
        (place, share.plan.id, Measure(subscription.id, subscription.customer_id, meter_id, share.spans))
        for place, (subscription, shares) in enumerate(dues)
        for share in shares
        for _, meter_id in billed_features(share.plan)
    ]
    if not asked:
        return [{} for _ in dues]
    measures = [measure for _, _, measure in asked]
    aggregations = {
        meter.id: Aggregation(meter.aggregation)
        for meter in await load_meters(tx, list({measure.meter_id for measure in measures}))
    }
    used: list[dict[tuple[UUID, UUID], Decimal]] = [{} for _ in dues]
    quantities = await load_quantities(tx, measures, aggregations)
    for (place, plan_id, measure), quantity in zip(asked, quantities, strict=True):
        used[place][plan_id, measure.meter_id] = quantity
    return list(used)


async def draft(tx: WriteTransaction, bills: Sequence[Priced], notes: str | None = None) -> list[Invoice]:
    """Store a DRAFT of each bill, with its lines. Raises AlreadyExists where a period has a live invoice."""
    drafts = [
        drafted(
            invoice_id=new_id(),
            customer_id=bill.subscription.customer_id,
            subscription_id=bill.subscription.id,
            currency=bill.subscription.plan.currency,
            reason=bill.due.reason,
            period=bill.due.period,
            lines=bill.lines,
            notes="\n".join(note for note in (bill.due.notes, notes) if note) or None,
        )
        for bill in bills
    ]
    await insert_invoices(tx, drafts, [document_from_coverage(bill.covers) for bill in bills])
    await insert_lines(tx, [(invoice, bill.lines) for invoice, bill in zip(drafts, bills, strict=True)])
    return drafts


async def bill_at_once(
    tx: WriteTransaction,
    subscription: Subscription,
    at: datetime,
    due_of: Callable[[Timeline, datetime, Coverage], Due] = due_at_boundary,
) -> Invoice | None:
    """Bill what a change makes due at an instant, and give the final invoice; None where it is nothing.

    Raises InvalidState where a draft of that period would bill it otherwise.
    """
    accounts = (await load_accounts_at(tx, {subscription.id: (subscription, at)}))[subscription.id]
    if any(waiting.period.start <= at <= waiting.period.end for waiting in accounts.drafts):
        raise InvalidState(
            "The current period has a DRAFT invoice: finalize, void or delete it first.", "subscriptionId"
        )
    due = due_of(subscription.timeline, at, accounts.live)
    if due.ended is not None and _billed_before(due.ended, accounts.live):
        await insert_late(tx, {subscription.id: _stretch(due.ended)})
    if due.is_empty:
        return None
    (final,) = await finalize_drafts(tx, await draft(tx, await price(tx, [(subscription, due)])))
    await record(tx, "invoice.finalize", final.id, {"number": final.number})
    return final


async def bill_chunk(
    tx: WriteTransaction, subscription_ids: Sequence[UUID], until: datetime, *, in_use: bool = False
) -> tuple[int, dict[UUID, Exception]]:
    """Bill subscriptions together, or one by one where that fails; how many invoices, and what failed on which.

    `in_use` says that others may be storing usage of them: what is billed is marked to be compared once they have.
    """

    async def together(some: Sequence[UUID]) -> int:
        found = await load_domain_subscriptions(tx, some, tx.facts.zone)
        return await record_finalized(tx, await bill_due(tx, found.values(), until, in_use=in_use))

    return await each_by_itself(tx, subscription_ids, together)


async def record_finalized(tx: WriteTransaction, finals: Sequence[Invoice]) -> int:
    """Audit what was finalized together, each by itself; how many there are."""
    await record_all(tx, "invoice.finalize", {final.id: {"number": final.number} for final in finals})
    return len(finals)


async def each_by_itself(
    tx: WriteTransaction, subscription_ids: Sequence[UUID], together: Callable[[Sequence[UUID]], Awaitable[int]]
) -> tuple[int, dict[UUID, Exception]]:
    """Do something to subscriptions together, or to one by one where that fails; the sum, and what failed on which.

    One that fails, or whose usage takes too long to count, blocks no other and leaves nothing behind. Raises
    Unavailable where the database is gone, and what says that the transaction should be tried again.
    """
    try:
        async with tx.savepoint():
            return await together(subscription_ids), {}
    except TRY_AGAIN:
        raise
    except Exception as error:
        if isinstance(error, Unavailable) and not isinstance(error, TooSlow):
            raise
        if len(subscription_ids) == 1:
            return 0, {subscription_ids[0]: error}
    total, failures = 0, {}
    for subscription_id in subscription_ids:
        done, failed = await each_by_itself(tx, [subscription_id], together)
        total += done
        failures |= failed
    return total, failures


async def bill_due(
    tx: WriteTransaction, subscriptions: Iterable[Subscription], until: datetime, *, in_use: bool = False
) -> list[Invoice]:
    """Bill every boundary of those subscriptions up to an instant, in order, and move each one's billing on.

    The subscriptions are locked by this transaction. A boundary whose period has a draft waits for its review until
    its grace is over; then the draft is finalized. Where some of the ended period's usage was billed before, or may
    still be coming in, it is marked to be compared with what is recorded. Raises Invalid where an amount passes the
    bounds.
    """
    pending = {each.id: (each, each.due_at) for each in subscriptions}
    accounts = await load_accounts_at(tx, {key: (each, at) for key, (each, at) in pending.items() if at is not None})
    invoices: list[Invoice] = []
    moved: list[tuple[Subscription, datetime | None]] = []
    while pending:
        step = _Step(in_use=in_use)
        for key, (subscription, at) in list(pending.items()):
            if at is None or at > until:
                moved.append(pending.pop(key))
                continue
            held_until = step.take(subscription, at, accounts[key], tx.now)
            if held_until is not None:
                del pending[key]
                moved.append((subscription, held_until))
            else:
                pending[key] = (replace(subscription, billed_until=at), subscription.timeline.next_boundary(at))
        invoices += await step.carry_out(tx, accounts)
        await insert_late(tx, step.to_compare)
    await move_billing(tx, moved)
    return invoices


class _Step:
    """The next boundary of each of many subscriptions: new bills, and drafts whose time of review is over."""

    def __init__(self, *, in_use: bool) -> None:
        self._in_use = in_use
        self._new: list[tuple[Subscription, Due]] = []
        self._adopted: list[tuple[Subscription, Due, Draft]] = []
        self.to_compare: dict[UUID, Stretch] = {}

    def take(self, subscription: Subscription, at: datetime, accounts: Accounts, now: datetime) -> datetime | None:
        """Take a subscription's boundary up; where its draft is still to be reviewed, answer until when."""
        due = due_at_boundary(subscription.timeline, at, accounts.final)
        waiting = accounts.draft_of(due.period)
        if waiting is not None:
            grace_ends = max(at, waiting.created_at) + DRAFT_GRACE
            if now < grace_ends:
                return grace_ends
            fresh = due_at_boundary(subscription.timeline, at, accounts.without(waiting))
            self._adopted.append((subscription, fresh, waiting))
        else:
            due = due_at_boundary(subscription.timeline, at, accounts.live)
            if not due.is_empty:
                self._new.append((subscription, due))
        if due.ended is not None and (self._in_use or _billed_before(due.ended, accounts.live)):
            self.to_compare[subscription.id] = _stretch(due.ended)
        return None

    async def carry_out(self, tx: WriteTransaction, accounts: dict[UUID, Accounts]) -> list[Invoice]:
        """Draft and finalize what was taken up; `accounts` then knows of it."""
        if not self._new and not self._adopted:
            return []
        drafts: list[Invoice] = []
        for subscription, due, waiting in self._adopted:
            invoice, covers = await self._adopt(tx, subscription, due, waiting)
            drafts.append(invoice)
            accounts[subscription.id].drafts.remove(waiting)
            accounts[subscription.id].final += covers
        if self._new:
            bills = await price(tx, self._new)
            drafts += await draft(tx, bills)
            for bill in bills:
                accounts[bill.subscription.id].final += bill.covers
        return await finalize_drafts(tx, drafts)

    async def _adopt(
        self, tx: WriteTransaction, subscription: Subscription, due: Due, waiting: Draft
    ) -> tuple[Invoice, Coverage]:
        """The draft as it is where it still stands, else with what its plan gives priced anew; what it accounts for."""
        invoice = await lock_invoice(tx, waiting.id)
        if _stands(waiting, due):
            return invoice, waiting.covers
        (bill,) = await price(tx, [(subscription, due)])
        return await replace_generated_lines(tx, invoice, bill.lines, document_from_coverage(bill.covers)), bill.covers


def _stretch(period: Period) -> Stretch:
    return Stretch(period.start, max(period.start, period.end - TICK))


def _billed_before(ended: Period, live: Coverage) -> bool:
    """Whether some of a period's usage was billed before it ended, or a draft of it waited, or an adjustment of it is
    left from an invoice that was voided.
    """
    return bool(live.counted(ended.start)) or any(cut_to(span, ended.start, ended.end) for span in live.usage)


def _stands(waiting: Draft, due: Due) -> bool:
    """Whether a draft was made once all that it bills had happened."""
    return waiting.created_at >= due.at or due.is_empty
