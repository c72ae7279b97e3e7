"""What has been billed of a subscription's time, and what has not: no second is charged twice, and none is left out.

Every invoice of a subscription says which spans of base fee and of usage it accounts for, and which quantities it
priced. What is due is the difference between what the timeline owes and what live invoices account for, whatever
happened in between: a change, a pause, a cancellation, a void, an event that came late or was corrected.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from app.domain.period import Period
from app.domain.timeline import BillingPeriod, Timeline, cut_to


@dataclass(frozen=True, slots=True)
class FeeKey:
    """What a second costs: seats of a plan version, in periods counted from an anchor."""

    plan_id: UUID
    quantity: int
    anchor: datetime


@dataclass(frozen=True, slots=True)
class FeeSpan:
    """A part of a whole period whose fee is charged (`times` above 0) or credited (below 0)."""

    key: FeeKey
    period: Period
    whole: Period
    times: int = 1


@dataclass(frozen=True, slots=True)
class CountKey:
    """Which usage was counted: for a feature of a plan version, in the period that begins at an instant."""

    plan_id: UUID
    feature_key: str
    period_start: datetime


@dataclass(frozen=True, slots=True)
class Count:
    """A quantity as it was counted, whose price is charged (`times` above 0) or credited (below 0)."""

    key: CountKey
    quantity: Decimal
    times: int = 1


@dataclass(frozen=True, slots=True)
class Coverage:
    """What invoices account for: spans of base fee, spans whose usage was billed, and what was counted there."""

    fees: tuple[FeeSpan, ...] = ()
    usage: tuple[Period, ...] = ()
    counts: tuple[Count, ...] = ()

    def __add__(self, other: "Coverage") -> "Coverage":
        """What both account for."""
        return Coverage(self.fees + other.fees, self.usage + other.usage, self.counts + other.counts)

    def counted(self, period_start: datetime) -> dict[CountKey, dict[Decimal, int]]:
        """How often each quantity of the period that begins there was priced; what cancels out is left out."""
        totals: dict[CountKey, Counter[Decimal]] = {}
        for count in self.counts:
            if count.key.period_start == period_start:
                totals.setdefault(count.key, Counter())[count.quantity] += count.times
        return {
            key: {quantity: times for quantity, times in counter.items() if times}
            for key, counter in totals.items()
            if any(counter.values())
        }


def owed_fees(timeline: Timeline, period: BillingPeriod, until: datetime | None = None) -> list[FeeSpan]:
    """The fee spans that a period owes as far as it is lived, up to an instant where one is given."""
    span = cut_to(period.lived, None, until)
    if span is None:
        return []
    return [
        FeeSpan(FeeKey(phase.plan.id, phase.quantity, period.anchor), part, period.whole)
        for phase, part in timeline.fees_in(span)
    ]


def fee_differences(owed: Iterable[FeeSpan], charged: Iterable[FeeSpan], window: Period) -> list[FeeSpan]:
    """What is still to be charged, and what to be credited, in a window of time: in its order, credits first.

    A credit is a part of the same whole period as its charge.
    """
    spans = [
        *(span for span in owed if _meets(span, window)),
        *(replace(span, times=-span.times) for span in charged if _meets(span, window)),
    ]
    cuts = {window.start, window.end}
    for span in spans:
        cuts |= {instant for instant in (span.period.start, span.period.end) if window.contains(instant)}
    found: list[FeeSpan] = []
    ending_here: dict[tuple[FeeKey, int, Period], FeeSpan] = {}
    for start, end in pairwise(sorted(cuts)):
        before, ending_here = ending_here, {}
        for key, times, whole in _missing(spans, start):
            earlier = before.pop((key, times, whole), None)
            begin = start if earlier is None else earlier.period.start
            ending_here[key, times, whole] = FeeSpan(key, Period(begin, end), whole, times)
        found += before.values()
    found += ending_here.values()
    return sorted(found, key=lambda span: (span.period.start, span.times))


def without(span: Period, taken: Iterable[Period]) -> Iterator[Period]:
    """The parts of a span that none of the others takes, in order."""
    start = span.start
    for other in sorted(taken, key=lambda period: period.start):
        if other.start >= span.end:
            break
        if start < other.start:
            yield Period(start, other.start)
        start = max(start, min(other.end, span.end))
    if start < span.end:
        yield Period(start, span.end)


def _meets(span: FeeSpan, window: Period) -> bool:
    return cut_to(window, span.period.start, span.period.end) is not None


def _missing(spans: Iterable[FeeSpan], instant: datetime) -> Iterator[tuple[FeeKey, int, Period]]:
    """Each fee whose owed and charged spans do not cancel out at an instant: how often, and of which whole period."""
    balance: Counter[FeeKey] = Counter()
    wholes: dict[FeeKey, Period] = {}
    for span in spans:
        if span.period.contains(instant):
            balance[span.key] += span.times
            wholes.setdefault(span.key, span.whole)
    for key, times in balance.items():
        if times:
            yield key, times, wholes[key]
