"""What falls due on a subscription at a boundary of its periods, and the lines that it gives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.adjustment import adjustment_line
from app.domain.charge import (
    ChargeLine,
    LineItemKind,
    base_fee_line,
    prorated_base_fee_line,
    proration_line,
    usage_line,
)
from app.domain.coverage import Count, CountKey, Coverage, FeeSpan, fee_differences, owed_fees, without
from app.domain.errors import Invalid
from app.domain.invoice import BillingReason
from app.domain.money import MINOR_MAX, figure, plain
from app.domain.period import Period
from app.domain.plan import BillingTiming, Feature, Plan
from app.domain.proration import days_of
from app.domain.timeline import TICK, BillingPeriod, Timeline

Used: TypeAlias = Mapping[tuple[UUID, UUID], Decimal]
"""The quantity used by (plan version, meter): what occurred while that version was in force."""


@dataclass(frozen=True, slots=True)
class FeeDue:
    """A span of base fee to charge or to credit, and what its line is called."""

    kind: LineItemKind
    span: FeeSpan


@dataclass(frozen=True, slots=True)
class UsageDue:
    """A plan version's usage to bill, over the spans of a period in which it was in force."""

    plan: Plan
    period_start: datetime
    spans: tuple[Period, ...] = ()

    @property
    def period(self) -> Period:
        """From the first span's start to the last one's end."""
        return Period(self.spans[0].start, self.spans[-1].end)

    def key(self, feature: Feature) -> CountKey:
        """What a quantity of it is counted as."""
        return CountKey(self.plan.id, feature.key, self.period_start)


@dataclass(frozen=True, slots=True)
class Due:
    """What falls due at an instant, before its usage is counted. `covers` is what an invoice of it accounts for, but
    for the counts. `ended` is the period that ends there.
    """

    at: datetime
    reason: BillingReason
    period: Period
    fees: tuple[FeeDue, ...] = ()
    usage: tuple[UsageDue, ...] = ()
    unbilled: tuple[Period, ...] = ()
    notes: str | None = None
    ended: Period | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to invoice."""
        return not self.fees and not self.usage

    @property
    def covers(self) -> Coverage:
        """The spans that are accounted for once this is invoiced."""
        return Coverage(tuple(fee.span for fee in self.fees), self.unbilled)


def due_at_boundary(timeline: Timeline, at: datetime, charged: Coverage) -> Due:
    """What falls due where a period ends and another begins, beyond what live invoices account for.

    IN_ARREARS: base fee and usage of the period that ended. IN_ADVANCE: the base fee of the one that begins, usage of
    the one that ended, and what changed in it since it was charged. At the end of life, or where a change begins a new
    period, what was charged beyond is credited.
    """
    ends = timeline.ends_at is not None and timeline.ends_at <= at
    ended = timeline.period_around(at - TICK) if at > timeline.billed_from else None
    begun = None if ends or at < timeline.billed_from else timeline.period_around(at)
    if ended is None and ends:
        ended = timeline.period_around(at)
    resets = ended is not None and begun is not None and ended.anchor != begun.anchor
    fees: list[FeeDue] = []
    if begun is not None and begun.timing is BillingTiming.IN_ADVANCE:
        fees += _fees_in_advance(timeline, begun, charged)
    if ended is not None:
        fees += _fees_of_ended(timeline, ended, charged, is_last=ends or resets)
    unbilled = () if ended is None else tuple(without(ended.lived, charged.usage))
    main = begun if begun is not None and begun.timing is BillingTiming.IN_ADVANCE else ended
    told = ended if ended is not None and (ends or resets) else main
    if main is None or told is None:
        return Due(at, BillingReason.PERIOD, Period(at, at))
    lived = None if ended is None else ended.lived
    return Due(
        at=at,
        reason=_reason(ended, ends=ends, resets=resets),
        period=main.lived,
        fees=tuple(fees),
        usage=() if lived is None else usage_in(timeline, unbilled, lived.start),
        unbilled=unbilled,
        notes=proration_note(told, timeline.zone, "plan changed" if resets else "cancelled"),
        ended=lived,
    )


def due_at_change(timeline: Timeline, now: datetime, charged: Coverage) -> Due:
    """What a change of plan bills at once (PRORATE_NOW): the difference that it makes up to now, or up to the end of a
    period that was paid in advance. Usage waits for the period's end.
    """
    period = timeline.period_around(now)
    mine = _of_anchor(charged, period)
    if period.timing is BillingTiming.IN_ADVANCE:
        found = fee_differences(owed_fees(timeline, period), mine, period.whole)
        span = Period(now, max(now, period.lived.end))
    else:
        span = Period(min(period.lived.start, now), now)
        found = fee_differences(owed_fees(timeline, period, now), mine, span)
    fees = tuple(FeeDue(LineItemKind.PRORATION, difference) for difference in found)
    return Due(now, BillingReason.PLAN_CHANGE, span, fees)


def lines_of(due: Due, timeline: Timeline, used: Used) -> tuple[ChargeLine, ...]:
    """The lines of what is due: fees, then a line for each METERED or SOFT QUOTA feature even where it is 0 (E10).

    Raises Invalid where an amount passes the bounds.
    """
    plans = {phase.plan.id: phase.plan for phase in timeline.phases}
    lines = [_fee_line(fee, plans[fee.span.key.plan_id]) for fee in due.fees]
    for share in due.usage:
        lines += _usage_lines(share, used, is_alone=len(due.usage) == 1)
    if sum(abs(line.amount) for line in lines) > MINOR_MAX:
        raise Invalid("The invoice's total would be too large: an amount is at most 2^53-1 minor units.")
    return tuple(lines)


def difference_line(
    plan: Plan,
    key: CountKey,
    period: Period,
    used: Decimal | None,
    booked: Mapping[Decimal, int],
    *,
    is_alone: bool = True,
) -> ChargeLine:
    """The line that brings what is booked for a feature of a plan version to what was used. Raises Invalid."""
    feature, price = next(
        (feature, feature.price)
        for feature in plan.features
        if feature.key == key.feature_key and feature.price is not None
    )
    name = feature.name if is_alone else f"{feature.name} on {plan.name}"
    line = adjustment_line(feature.key, name, used, booked, feature.included or Decimal(0), price)
    counts = [Count(key, quantity, -times) for quantity, times in booked.items()]
    counts += [] if used is None else [Count(key, used)]
    return replace(line, plan_id=plan.id, period=period, counts=tuple(counts))


def usage_in(timeline: Timeline, spans: Iterable[Period], period_start: datetime) -> tuple[UsageDue, ...]:
    """Whose usage the spans of a period are: a share for each plan version that bills any."""
    shares: dict[UUID, UsageDue] = {}
    for stretch in spans:
        for plan, span in timeline.plans_in(stretch):
            if billed_features(plan):
                known = shares.get(plan.id, UsageDue(plan, period_start))
                shares[plan.id] = replace(known, spans=(*known.spans, span))
    return tuple(shares.values())


def billed_features(plan: Plan) -> list[tuple[Feature, UUID]]:
    """The features that an invoice has a line for, each with its meter."""
    return [
        (feature, feature.meter_id)
        for feature in plan.features
        if feature.is_billed and feature.meter_id is not None and feature.price is not None
    ]


def proration_note(period: BillingPeriod, zone: ZoneInfo, why: str) -> str | None:
    """Why the base fee is only a part: "Prorated: cancelled on 2026-05-20 (7 of 31 days)"; None where it is whole."""
    lived, whole = period.lived, period.whole
    if period.is_whole:
        return None
    days = days_of(lived, whole, zone)
    if days is None:
        part = f"{figure(plain(lived.seconds))} of {figure(plain(whole.seconds))} seconds"
    else:
        part = f"{days[0]} of {days[1]} days"
    if lived.end < whole.end:
        return f"Prorated: {why} on {lived.end.astimezone(zone).date()} ({part})"
    return f"Prorated: started on {lived.start.astimezone(zone).date()} ({part})"


def _reason(ended: BillingPeriod | None, *, ends: bool, resets: bool) -> BillingReason:
    if resets:
        return BillingReason.PLAN_CHANGE
    if ends and ended is not None:
        cut_short = ended.lived.end < ended.whole.end
        if cut_short or ended.timing is BillingTiming.IN_ADVANCE:
            return BillingReason.CANCELLATION
    return BillingReason.PERIOD


def _fees_in_advance(timeline: Timeline, begun: BillingPeriod, charged: Coverage) -> list[FeeDue]:
    found = fee_differences(owed_fees(timeline, begun), _of_anchor(charged, begun), begun.whole)
    return [FeeDue(LineItemKind.BASE_FEE if span.times > 0 else LineItemKind.PRORATION, span) for span in found]


def _fees_of_ended(timeline: Timeline, ended: BillingPeriod, charged: Coverage, *, is_last: bool) -> list[FeeDue]:
    """In arrears the fee of the plan that the period ended on is the base fee; all else is proration."""
    owed, mine = owed_fees(timeline, ended), _of_anchor(charged, ended)
    window = ended.whole
    if is_last:
        window = Period(window.start, max([window.end, *(span.period.end for span in mine)]))
    base = owed[-1].key if owed and ended.timing is BillingTiming.IN_ARREARS else None
    return [
        FeeDue(LineItemKind.BASE_FEE if span.times > 0 and span.key == base else LineItemKind.PRORATION, span)
        for span in fee_differences(owed, mine, window)
    ]


def _of_anchor(charged: Coverage, period: BillingPeriod) -> list[FeeSpan]:
    return [span for span in charged.fees if span.key.anchor == period.anchor]


def _fee_line(fee: FeeDue, plan: Plan) -> ChargeLine:
    span = fee.span
    seats = span.key.quantity
    if fee.kind is LineItemKind.PRORATION:
        line = proration_line(plan.name, plan.base_price, seats, span.period, span.whole, times=span.times)
    elif span.period == span.whole:
        line = base_fee_line(plan.name, plan.base_price, seats)
    else:
        line = prorated_base_fee_line(plan.name, plan.base_price, seats, span.period, span.whole)
    return replace(line, plan_id=plan.id, period=span.period)


def _usage_lines(share: UsageDue, used: Used, *, is_alone: bool) -> Sequence[ChargeLine]:
    lines = []
    for feature, meter_id in billed_features(share.plan):
        if feature.price is not None:
            name = feature.name if is_alone else f"{feature.name} on {share.plan.name}"
            quantity = used.get((share.plan.id, meter_id), Decimal(0))
            line = usage_line(feature.key, name, quantity, feature.included or Decimal(0), feature.price)
            counts = (Count(share.key(feature), quantity),)
            lines.append(replace(line, plan_id=share.plan.id, period=share.period, counts=counts))
    return lines
