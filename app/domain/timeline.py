"""What a subscription was, is and will be on: plans and seats, pauses, a trial, an end; and its billing periods.

Everything here follows from instants that are stored; nothing is moved at midnight.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from app.domain.period import Period, period_at
from app.domain.plan import BillingTiming, Plan

TICK: Final = datetime.resolution
"""Periods are half-open: the last instant of one is its end less this."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A plan version and seats, in force from `starts_at` until the next phase.

    Its fee counts from `fee_from`, later than `starts_at` where a change is without money until the period ends. Its
    periods are counted from `anchor`; a phase with another anchor than the one before begins a period of its own.
    """

    starts_at: datetime
    fee_from: datetime
    plan: Plan
    quantity: int
    anchor: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """A span without base fee; open-ended where `ends_at` is None."""

    starts_at: datetime
    ends_at: datetime | None

    def contains(self, instant: datetime) -> bool:
        """Whether the pause is in force at that instant."""
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """A period counted from its anchor, and the part of it that the subscription lives (and pays) in.

    `lived` is cut by the start, the trial, a change that begins a new period, and the end; it may be empty.
    """

    whole: Period
    lived: Period
    anchor: datetime
    timing: BillingTiming

    @property
    def is_whole(self) -> bool:
        """Whether all of it is lived."""
        return self.lived == self.whole


@dataclass(frozen=True, slots=True)
class Timeline:
    """A subscription's phases in order (one at least), pauses, trial and end, in its organization's time zone."""

    zone: ZoneInfo
    started_at: datetime
    phases: tuple[Phase, ...]
    pauses: tuple[Pause, ...] = ()
    trial_end: datetime | None = None
    ends_at: datetime | None = None

    @property
    def billed_from(self) -> datetime:
        """Where the first period that costs anything begins: after the trial."""
        return self.started_at if self.trial_end is None else max(self.started_at, self.trial_end)

    def phase_at(self, instant: datetime) -> Phase:
        """The phase in force at an instant; the first one before it began."""
        found = self.phases[0]
        for phase in self.phases:
            if phase.starts_at <= instant:
                found = phase
        return found

    def period_around(self, instant: datetime) -> BillingPeriod:
        """The billing period around an instant; the first one for an instant before it."""
        moment = max(instant, self.billed_from)
        phase, start, end = self._era(moment)
        whole = period_at(phase.anchor, phase.plan.interval, phase.plan.interval_count, self.zone, moment)
        begin = max(whole.start, start)
        ends = [whole.end, *(limit for limit in (end, self.ends_at) if limit is not None)]
        return BillingPeriod(whole, Period(begin, max(begin, min(ends))), phase.anchor, phase.plan.timing)

    def next_boundary(self, after: datetime) -> datetime | None:
        """The next instant at which something may be billed; None once all of its life is billed.

        Boundaries are where periods begin and end, counted from `billed_from` on. Where the first period is billed in
        arrears, its beginning is none: nothing can be due there.
        """
        if self.ends_at is not None and after >= self.ends_at:
            return None
        if after < self.billed_from:
            if self.ends_at is not None and self.ends_at <= self.billed_from:
                return self.ends_at
            first = self.period_around(self.billed_from)
            return first.lived.start if first.timing is BillingTiming.IN_ADVANCE else first.lived.end
        return self.period_around(after).lived.end

    def last_moment(self, now: datetime) -> datetime:
        """Now, kept inside the subscription's life."""
        moment = max(now, self.started_at)
        if self.ends_at is not None and self.ends_at <= moment:
            return max(self.started_at, self.ends_at - TICK)
        return moment

    def current_period(self, now: datetime) -> Period:
        """The period that is running, the trial as a whole, or the last one where the subscription has ended."""
        moment = self.last_moment(now)
        if moment < self.billed_from:
            end = self.billed_from if self.ends_at is None else min(self.billed_from, self.ends_at)
            return Period(self.started_at, end)
        return self.period_around(moment).lived

    def plans_in(self, span: Period) -> Iterator[tuple[Plan, Period]]:
        """Which plan was in force when, over a span: what occurs then belongs to it."""
        for index, phase in enumerate(self.phases):
            end = self.phases[index + 1].starts_at if index + 1 < len(self.phases) else None
            cut = cut_to(span, phase.starts_at if index else None, end)
            if cut is not None:
                yield phase.plan, cut

    def fees_in(self, span: Period) -> Iterator[tuple[Phase, Period]]:
        """Which phase's fee counts when, over a span, without its pauses; in the order of time."""
        for phase, start, end in self._fee_spans():
            cut = cut_to(span, start, end)
            if cut is not None:
                for part in self._unpaused(cut):
                    yield phase, part

    def _era(self, moment: datetime) -> tuple[Phase, datetime, datetime | None]:
        """The phase whose anchor counts at that moment, and the span in which it is that anchor that counts."""
        phase, start = self.phase_at(self.billed_from), self.billed_from
        for later in self.phases:
            if later.starts_at > self.billed_from and later.anchor != phase.anchor:
                if later.starts_at > moment:
                    return phase, start, later.starts_at
                start = later.starts_at
            if later.starts_at <= moment:
                phase = later
        return phase, start, None

    def _fee_spans(self) -> list[tuple[Phase, datetime, datetime | None]]:
        """Each later phase counts from its `fee_from` on, whatever was to count from there."""
        spans: list[tuple[Phase, datetime, datetime | None]] = []
        for phase in self.phases:
            kept = [span for span in spans if span[1] < phase.fee_from]
            if kept:
                last, start, _ = kept[-1]
                kept[-1] = (last, start, phase.fee_from)
            spans = [*kept, (phase, phase.fee_from, None)]
        return spans

    def _unpaused(self, span: Period) -> Iterator[Period]:
        start = span.start
        for pause in self.pauses:
            cut = cut_to(span, pause.starts_at, pause.ends_at)
            if cut is not None:
                if start < cut.start:
                    yield Period(start, cut.start)
                start = max(start, cut.end)
        if start < span.end:
            yield Period(start, span.end)


def cut_to(span: Period, start: datetime | None, end: datetime | None) -> Period | None:
    """The part of a span between two instants, either of which may be open; None where it is empty."""
    begin = span.start if start is None else max(span.start, start)
    finish = span.end if end is None else min(span.end, end)
    return Period(begin, finish) if begin < finish else None
