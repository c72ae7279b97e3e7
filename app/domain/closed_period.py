"""Periods whose usage is invoiced already: what is right of them now, and what was booked."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.billing import UsageDue, Used, billed_features, difference_line, usage_in
from app.domain.charge import ChargeLine
from app.domain.coverage import CountKey, Coverage, without
from app.domain.period import Period
from app.domain.timeline import Timeline, cut_to


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """The lived part of a period of which final invoices account for the usage, and whose usage that is."""

    period: Period
    usage: tuple[UsageDue, ...]


def closed_periods(timeline: Timeline, final: Coverage, since: datetime, until: datetime) -> list[ClosedPeriod]:
    """The periods with usage between two instants (both inside) that final invoices account for, in order.

    Where the life ended earlier than an invoice foresaw, what lies beyond its end is nobody's usage.
    """
    spans: dict[datetime, list[Period]] = {}
    periods: dict[datetime, Period] = {}
    for span in final.usage:
        if span.start <= until and since < span.end:
            period = timeline.period_around(span.start).lived
            periods[period.start] = period
    for span in final.usage:
        for period in periods.values():
            cut = cut_to(span, period.start, period.end)
            if cut is not None:
                spans.setdefault(period.start, []).extend(without(cut, spans.get(period.start, ())))
    return [
        ClosedPeriod(period, usage_in(timeline, sorted(spans.get(start, ()), key=_start), start))
        for start, period in sorted(periods.items())
    ]


def differences(closed: ClosedPeriod, timeline: Timeline, used: Used, final: Coverage) -> tuple[ChargeLine, ...]:
    """The ADJUSTMENT lines that bring what is booked for a closed period to what was used; none where no amount
    differs, though quantities may (within what is included, say). Raises Invalid where an amount passes the bounds.
    """
    plans = {phase.plan.id: phase.plan for phase in timeline.phases}
    booked = final.counted(closed.period.start)
    wanted: dict[CountKey, Decimal | None] = dict.fromkeys(booked)
    for share in closed.usage:
        for feature, meter_id in billed_features(share.plan):
            wanted[share.key(feature)] = used.get((share.plan.id, meter_id), Decimal(0))
    is_alone = len({key.plan_id for key in wanted}) == 1
    lines = [
        difference_line(plans[key.plan_id], key, closed.period, quantity, booked.get(key, {}), is_alone=is_alone)
        for key, quantity in wanted.items()
        if booked.get(key, {}) != ({} if quantity is None else {quantity: 1})
    ]
    return tuple(lines) if any(line.amount for line in lines) else ()


def _start(period: Period) -> datetime:
    return period.start
