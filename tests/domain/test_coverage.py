"""What is due is what is owed and not accounted for: over any life, every second is charged once and to one plan."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.billing import due_at_boundary, due_at_change, lines_of
from app.domain.coverage import Coverage, FeeKey, FeeSpan, fee_differences, without
from app.domain.errors import Refusal
from app.domain.period import Interval, Period
from app.domain.plan import BillingTiming, Plan
from app.domain.subscription import CancelTiming, ProrationBehavior, Subscription, subscribed

START = datetime(2026, 1, 31, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def plan(number: int, base_price: int, timing: BillingTiming, interval: Interval = Interval.MONTH) -> Plan:
    """A plan version without features."""
    return Plan(UUID(int=number), f"Plan {number}", "USD", base_price, interval, 1, timing, ())


def day(number: float) -> datetime:
    """So many days after the start."""
    return START + timedelta(days=number)


def span(start: float, end: float, times: int = 1, quantity: int = 1) -> FeeSpan:
    """A span of one plan's fee, in days of a whole of 30."""
    return FeeSpan(FeeKey(UUID(int=1), quantity, START), Period(day(start), day(end)), Period(day(0), day(30)), times)


@pytest.mark.parametrize(
    ("owed", "charged", "due"),
    [
        ([span(0, 30)],                [],                                 [span(0, 30)]),
        ([span(0, 30)],                [span(0, 30)],                      []),
        ([span(0, 7)],                 [span(0, 30)],                      [span(7, 30, -1)]),
        ([],                           [span(0, 30)],                      [span(0, 30, -1)]),
        ([span(0, 30)],                [span(0, 30), span(7, 30, -1)],     [span(7, 30)]),
        ([span(0, 5), span(9, 30)],    [span(0, 30)],                      [span(5, 9, -1)]),
        ([span(0, 30)],                [span(3, 4), span(8, 9)],           [span(0, 3), span(4, 8), span(9, 30)]),
        ([span(0, 30, quantity=2)],    [span(0, 30)],                      [span(0, 30, -1), span(0, 30, quantity=2)]),
        ([span(0, 30)],                [span(0, 30), span(0, 30)],         [span(0, 30, -1)]),
        ([span(0, 30)],                [span(0, 30, 2), span(0, 30, -1)],  []),
    ],
)  # fmt: skip
def test_what_is_due_is_owed_minus_charged(owed: list[Any], charged: list[Any], due: list[Any]) -> None:
    """Neighbouring moments that miss the same make one span, and a credit mirrors what was charged."""
    found = fee_differences(owed, charged, Period(day(0), day(30)))
    assert sorted(found, key=_order) == sorted(due, key=_order)


def _order(found: FeeSpan) -> Any:
    return found.period.start, found.times, found.key.quantity


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ([], [(0, 30)]),
        ([(0, 30)], []),
        ([(-5, 35)], []),
        ([(5, 10), (7, 12)], [(0, 5), (12, 30)]),
        ([(10, 30), (0, 4)], [(4, 10)]),
        ([(30, 40), (-9, 0)], [(0, 30)]),
    ],
)
def test_what_usage_is_left_to_bill(taken: list[tuple[float, float]], left: list[tuple[float, float]]) -> None:
    """Spans that an invoice accounts for are taken out."""
    found = without(Period(day(0), day(30)), [Period(day(a), day(b)) for a, b in taken])
    assert list(found) == [Period(day(a), day(b)) for a, b in left]


class Life:
    """A subscription that is billed as the operations do it: at its boundaries, and at once where a change says so."""

    def __init__(self, timing: BillingTiming, trial_days: int) -> None:
        self.plans = [plan(number, 31_00 * number, timing) for number in (1, 2, 3)]
        self.plans += [plan(4, 7_00, BillingTiming.IN_ADVANCE, Interval.WEEK), plan(5, 365_00, timing, Interval.YEAR)]
        self.subscription: Subscription = subscribed(
            subscription_id=UUID(int=99),
            customer_id=UUID(int=98),
            plan=self.plans[0],
            quantity=1,
            started_at=START,
            billing_anchor=None,
            trial_days=trial_days,
            zone=ZoneInfo("America/New_York"),
        )
        self.accounts = Coverage()
        self.billed = 0
        self.lines = 0

    def live_until(self, now: datetime) -> None:
        """Bill every boundary up to an instant."""
        while (at := self.subscription.due_at) is not None and at <= now:
            self._bill(due_at_boundary(self.subscription.timeline, at, self.accounts))
            moved = self.subscription.billed(at)
            assert moved.billed_until > self.subscription.billed_until, "billing moves on"
            self.subscription = moved

    def act(self, now: datetime, what: str, which: int, seats: int) -> None:
        """Do something to it, unless the rules refuse."""
        before = self.subscription
        try:
            match what:
                case "pause":
                    self.subscription = before.paused(now=now, resumes_at=None)
                case "pause for a while":
                    self.subscription = before.paused(now=now, resumes_at=now + which * 9 * DAY)
                case "resume":
                    self.subscription = before.resumed(now=now)
                case "cancel":
                    self.subscription = before.cancelled(CancelTiming.NOW, now=now, at=None, reason=None)
                    self._bill(due_at_boundary(self.subscription.timeline, now, self.accounts))
                case "cancel at the period's end":
                    self.subscription = before.cancelled(CancelTiming.PERIOD_END, now=now, at=None, reason=None)
                case _:
                    self._change(before.changed(self.plans[which], seats, ProrationBehavior(what), now=now), what, now)
        except Refusal:
            self.subscription = before

    def _change(self, after: Subscription, what: str, now: datetime) -> None:
        self.subscription = after
        if now >= after.timeline.billed_from:
            if what == ProrationBehavior.PRORATE_NOW:
                self._bill(due_at_change(after.timeline, now, self.accounts))
            if what == ProrationBehavior.RESET_PERIOD:
                self._bill(due_at_boundary(after.timeline, now, self.accounts))
                self.subscription = after.billed(now)

    def _bill(self, due: Any) -> None:
        lines = lines_of(due, self.subscription.timeline, {})
        self.billed += sum(line.amount for line in lines)
        self.lines += len(lines)
        self.accounts += due.covers

    def owed_at(self, instant: datetime) -> tuple[UUID, int] | None:
        """Which plan's fee an instant owes, and for how many seats: told without the code under test."""
        timeline = self.subscription.timeline
        over = timeline.ends_at is not None and instant >= timeline.ends_at
        in_trial = timeline.trial_end is not None and instant < timeline.trial_end
        paused = any(
            pause.starts_at <= instant and (pause.ends_at is None or instant < pause.ends_at)
            for pause in timeline.pauses
        )
        if over or in_trial or paused or instant < START:
            return None
        phase = [phase for phase in timeline.phases if phase.fee_from <= instant][-1]
        return phase.plan.id, phase.quantity

    def charged_at(self, instant: datetime) -> Counter[tuple[UUID, int]]:
        """What invoices charged for an instant, credits taken off."""
        found: Counter[tuple[UUID, int]] = Counter()
        for fee in self.accounts.fees:
            if fee.period.contains(instant):
                found[fee.key.plan_id, fee.key.quantity] += fee.times
        return Counter({key: times for key, times in found.items() if times})


TO_BOUNDARY = -1

_ACTIONS = [*ProrationBehavior, "pause", "pause for a while", "resume", "cancel at the period's end"]


_STEPS = st.tuples(
    st.integers(1, 24 * 12) | st.integers(0, 24 * 40) | st.just(TO_BOUNDARY),
    st.sampled_from([*_ACTIONS, *ProrationBehavior]),
    st.integers(0, 2) | st.integers(0, 4),
    st.integers(1, 2),
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.sampled_from(BillingTiming), st.sampled_from([0, 0, 14]), st.lists(_STEPS, min_size=2, max_size=8))
@example(BillingTiming.IN_ARREARS, 0, [(120, "NONE", 1, 1), (120, "PRORATE_NEXT", 2, 1)])
@example(BillingTiming.IN_ADVANCE, 0, [(TO_BOUNDARY, "RESET_PERIOD", 1, 1)])
@example(BillingTiming.IN_ADVANCE, 0, [(TO_BOUNDARY, "cancel", 1, 1)])
def test_every_second_of_a_life_is_charged_once(timing: BillingTiming, trial_days: int, acts: list[Any]) -> None:
    """Whatever happens to it, once it has ended and is billed, each instant is charged to what it owes, and once."""
    life = Life(timing, trial_days)
    now = START
    for hours, what, which, seats in acts:
        now = (life.subscription.due_at or now) if hours == TO_BOUNDARY else now + timedelta(hours=hours)
        life.live_until(now)
        life.act(now, what, which, seats)
    now += 20 * DAY
    life.live_until(now)
    life.act(now, "cancel", 0, 1)
    life.live_until(now + 900 * DAY)
    assert life.subscription.due_at is None
    timeline = life.subscription.timeline
    cuts = {START, now, *(phase.starts_at for phase in timeline.phases), *(phase.fee_from for phase in timeline.phases)}
    cuts |= {instant for pause in timeline.pauses for instant in (pause.starts_at, pause.ends_at) if instant}
    cuts |= {instant for fee in life.accounts.fees for instant in (fee.period.start, fee.period.end)}
    for instant in cuts | {cut - timedelta(microseconds=1) for cut in cuts}:
        owed = life.owed_at(instant)
        assert life.charged_at(instant) == (Counter() if owed is None else Counter({owed: 1})), instant


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(BillingTiming), st.lists(st.integers(1, 24 * 25), min_size=1, max_size=6))
def test_changing_back_and_forth_costs_what_was_on(timing: BillingTiming, hours: list[int]) -> None:
    """Seats that come and go, prorated now or next: the bill is the exact fee of each stretch, but for one rounding
    of each line."""
    life = Life(timing, 0)
    now, exact, seats = START, Decimal(0), 1
    for index, step in enumerate(hours):
        now += timedelta(hours=step)
        life.live_until(now)
        seats = 3 - seats
        behavior = ProrationBehavior.PRORATE_NOW if index % 2 else ProrationBehavior.PRORATE_NEXT
        life.act(now, behavior, 0, seats)
    end = now + 40 * DAY
    life.live_until(end)
    life.act(end, "cancel", 0, 1)
    phases = life.subscription.timeline.phases
    ends = [*(phase.starts_at for phase in phases[1:]), end]
    for phase, until in zip(phases, ends, strict=True):
        start = phase.starts_at
        while start < until:
            period = replace(life.subscription.timeline, ends_at=None).period_around(start).whole
            part = min(period.end, until)
            exact += (
                Decimal(phase.plan.base_price * phase.quantity)
                * Decimal((part - start) / timedelta(microseconds=1))
                / Decimal(int(period.seconds * 1_000_000))
            )
            start = part
    assert abs(Decimal(life.billed) - exact) <= Decimal(life.lines) / 2
