"""Adjustments: the difference between what is billed of periods that are closed and what is right of them by now.

What differs is the domain's to say (`app/domain/closed_period.py`). A correction draws the adjustment of its period up
as a draft, which gathers what follows; the billing run draws up what is marked, and finalizes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.charge import ChargeLine
from app.domain.closed_period import closed_periods, differences
from app.domain.invoice import BillingReason, Invoice, drafted
from app.domain.period import Period
from app.domain.subscription import Subscription
from app.store.billing import count_usage, counts_of, each_by_itself, record_finalized
from app.store.coverage import Draft, document_from_coverage, load_accounts
from app.store.finalization import finalize_drafts
from app.store.invoice import (
    delete_invoice,
    insert_invoices,
    insert_lines,
    load_lines,
    lock_invoice,
    replace_generated_lines,
)
from app.store.late_usage import Stretch, insert_late, take_late
from app.store.query import new_id
from app.store.subscription import load_domain_subscriptions
from app.store.tenancy import Transaction, WriteTransaction


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a closed period is short of or beyond, as lines, and the draft that gathers it where there is one."""

    subscription: Subscription
    period: Period
    lines: tuple[ChargeLine, ...]
    notes: str | None
    draft: Draft | None


async def adjust_chunk(
    tx: WriteTransaction, subscription_ids: Sequence[UUID], until: datetime, *, in_use: bool = False
) -> tuple[int, dict[UUID, Exception]]:
    """Book what subscriptions that are locked were marked for by an instant: a final ADJUSTMENT for each closed period.

    How many there were, and what failed on which subscription; that one stays marked, and so do those `in_use`, to
    whose usage others may be adding.
    """

    async def together(some: Sequence[UUID]) -> int:
        stretches = await take_late(tx, some, until)
        drafts = await draft_adjustments(tx, stretches)
        await insert_late(tx, stretches if in_use else {})
        return await record_finalized(tx, await finalize_drafts(tx, drafts))

    return await each_by_itself(tx, subscription_ids, together)


async def draft_adjustments(tx: WriteTransaction, stretches: Mapping[UUID, Stretch]) -> list[Invoice]:
    """Draw up the ADJUSTMENT of each closed period of the subscriptions' stretches, and give these drafts.

    The subscriptions are locked by this transaction. A period has one draft, which is drawn up anew each time; one that
    nothing is left of is deleted. Raises Invalid where an amount passes the bounds.
    """
    subscriptions = await load_domain_subscriptions(tx, list(stretches), tx.facts.zone)
    found = await find_adjustments(tx, [(subscriptions[key], stretch) for key, stretch in stretches.items()])
    drafts = await _draft(tx, [each for each in found if each.draft is None and each.lines])
    for each in found:
        if each.draft is not None:
            drafts += await _draw_up_anew(tx, each, each.draft)
    return drafts


async def find_adjustments(tx: Transaction, stretches: Sequence[tuple[Subscription, Stretch]]) -> list[Adjustment]:
    """What differs in the closed periods of the stretches; also what has a draft, though nothing differs any more."""
    accounts = await load_accounts(
        tx,
        {
            subscription.id: subscription.timeline.period_around(stretch.first).whole.start
            for subscription, stretch in stretches
        },
    )
    closed = [
        (subscription, period)
        for subscription, stretch in stretches
        for period in closed_periods(subscription.timeline, accounts[subscription.id].final, *stretch)
    ]
    used = await count_usage(tx, [(subscription, period.usage) for subscription, period in closed])
    found: list[Adjustment] = []
    for (subscription, each), mine in zip(closed, used, strict=True):
        mine_accounts = accounts[subscription.id]
        lines = differences(each, subscription.timeline, mine, mine_accounts.final)
        draft = mine_accounts.adjustment_of(each.period)
        if lines or draft is not None:
            numbers = ", ".join(mine_accounts.numbers_of(each.period))
            found.append(Adjustment(subscription, each.period, lines, f"Adjusts {numbers}" if numbers else None, draft))
    kept = {each.draft.id for each in found if each.draft is not None}
    for subscription, stretch in stretches:
        for draft in accounts[subscription.id].adjustments:
            meets = draft.period.start <= stretch.last and stretch.first < draft.period.end
            if draft.id not in kept and meets:
                found.append(Adjustment(subscription, draft.period, (), None, draft))
    return found


async def _draft(tx: WriteTransaction, adjustments: Sequence[Adjustment]) -> list[Invoice]:
    drafts = [
        drafted(
            invoice_id=new_id(),
            customer_id=each.subscription.customer_id,
            subscription_id=each.subscription.id,
            currency=each.subscription.plan.currency,
            reason=BillingReason.ADJUSTMENT,
            period=each.period,
            lines=each.lines,
            notes=each.notes,
        )
        for each in adjustments
    ]
    if drafts:
        await insert_invoices(tx, drafts, [document_from_coverage(counts_of(each.lines)) for each in adjustments])
        await insert_lines(tx, [(draft, each.lines) for draft, each in zip(drafts, adjustments, strict=True)])
    return drafts


async def _draw_up_anew(tx: WriteTransaction, adjustment: Adjustment, draft: Draft) -> list[Invoice]:
    """The draft with what differs by now, beside lines by hand; none where nothing is left of it."""
    invoice = await lock_invoice(tx, draft.id)
    covers = document_from_coverage(counts_of(adjustment.lines))
    changed = await replace_generated_lines(tx, invoice, adjustment.lines, covers)
    if adjustment.lines or await load_lines(tx, [draft.id]):
        return [changed]
    await delete_invoice(tx, draft.id)
    return []
