"""Adjustments: what a right invoice would have said less what was billed, whatever happened in between."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.adjustment import adjustment_line
from app.domain.billing import Due, Used, billed_features, due_at_boundary, due_at_change, lines_of
from app.domain.charge import ChargeLine, LineItemKind, usage_line
from app.domain.closed_period import closed_periods, differences
from app.domain.coverage import CountKey, Coverage
from app.domain.errors import Refusal
from app.domain.period import Interval, Period
from app.domain.plan import BillingTiming, Enforcement, Feature, FeatureType, Plan
from app.domain.price import PricingModel, Tier, UsagePrice
from app.domain.subscription import CancelTiming, ProrationBehavior, Subscription, subscribed
from app.domain.usage import Aggregation

START = datetime(2026, 1, 31, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOTHING = Decimal(0)


def price(model: str, *tiers: tuple[int | None, str, int], minimum: int | None = None) -> UsagePrice:
    """A price of tiers (up to, unit price, flat fee)."""
    made = tuple(Tier(None if up_to is None else Decimal(up_to), Decimal(unit), fee) for up_to, unit, fee in tiers)
    size = Decimal(7) if model == "PACKAGE" else None
    return UsagePrice(PricingModel(model), made, size, minimum, None)


PER_UNIT = price("PER_UNIT", (None, "0.5", 0))
GRADUATED = price("GRADUATED", (10, "3.3", 5), (None, "1.7", 40))
VOLUME = price("VOLUME", (10, "10", 0), (None, "2.25", 0))
PACKAGE = price("PACKAGE", (None, "30", 0), minimum=25)


@pytest.mark.parametrize(
    ("cost", "included", "used", "booked", "amount", "quantity", "said"),
    [
        (PER_UNIT,  0,  "15", {"10": 1},           8 - 5,    "5",   "15 used, billed as 10"),
        (PER_UNIT,  0,  "3",  {"1": 1},            2 - 1,    "2",   "3 used, billed as 1"),
        (PER_UNIT,  0,  "0",  {"15": 1},           0 - 8,    "-15", "0 used, billed as 15"),
        (PER_UNIT,  20, "15", {"10": 1},           0,        "0",   "15 used, billed as 10"),
        (PER_UNIT,  12, "15", {"10": 1},           2,        "3",   "15 used, billed as 10"),
        (GRADUATED, 0,  "11", {"10": 1},           80 - 38,  "1",   "11 used, billed as 10"),
        (GRADUATED, 0,  "10", {"11": 1},           38 - 80,  "-1",  "10 used, billed as 11"),
        (VOLUME,    0,  "11", {"10": 1},           25 - 100, "1",   "11 used, billed as 10"),
        (PACKAGE,   0,  "8",  {"7": 1},            30,       "1",   "8 used, billed as 7"),
        (PACKAGE,   0,  "0",  {"7": 1},            25 - 30,  "-7",  "0 used, billed as 7"),
        (PACKAGE,   0,  "4",  {},                  30,       "4",   "4 used, not billed before"),
        (PER_UNIT,  0,  None, {"15": 1, "10": -1}, 5 - 8,    "-5",  "what was booked before, taken back"),
        (PER_UNIT,  0,  "9",  {"15": 2, "10": -1}, 5 + 5 - 16, "-11", "9 used, less what was booked before"),
    ],
)  # fmt: skip
def test_an_adjustment_is_the_right_price_less_what_was_booked(
    cost: UsagePrice, included: int, used: str | None, booked: dict[str, int], amount: int, quantity: str, said: str
) -> None:
    """Each quantity is priced and rounded by itself, as it was when it was billed: tiers make the difference a jump."""
    quantities = {Decimal(key): times for key, times in booked.items()}
    line = adjustment_line(
        "calls", "Calls", None if used is None else Decimal(used), quantities, Decimal(included), cost
    )
    assert (line.kind, line.amount, line.quantity) == (LineItemKind.ADJUSTMENT, amount, Decimal(quantity))
    assert line.description == f"Calls: {said}"
    assert sum(step.amount for step in line.explanation.steps) == line.explanation.exact == amount


def test_an_adjustment_explains_before_and_after() -> None:
    """Both quantities, both calculations, and what either was rounded by."""
    line = adjustment_line("calls", "Calls", Decimal(16), {Decimal(13): 1}, Decimal(3), GRADUATED)
    told = line.explanation
    assert (told.used, told.billable) == (Decimal(16), Decimal(13))
    assert (told.used_before, told.billable_before) == (Decimal(13), Decimal(10))
    assert [(step.description, step.amount) for step in told.steps] == [
        ("Now (16 used): Tier 1: first 10 units at 3.3", Decimal(33)),
        ("Now (16 used): Tier 1: flat fee of 5", Decimal(5)),
        ("Now (16 used): Tier 2: next 3 units at 1.7", Decimal("5.1")),
        ("Now (16 used): Tier 2: flat fee of 40", Decimal(40)),
        ("Now (16 used): rounded to 83", Decimal("-0.1")),
        ("Before (13 used): Tier 1: first 10 units at 3.3", Decimal(-33)),
        ("Before (13 used): Tier 1: flat fee of 5", Decimal(-5)),
    ]
    assert line.amount == 45


def feature(key: str, meter: int, cost: UsagePrice, included: int = 0, *, hard: bool = False) -> Feature:
    """A quota."""
    enforcement = Enforcement.HARD if hard else Enforcement.SOFT
    return Feature(key, key, FeatureType.QUOTA, enforcement, UUID(int=meter), Decimal(included), None if hard else cost)


METERS = {1: Aggregation.SUM, 2: Aggregation.MAX, 3: Aggregation.COUNT, 4: Aggregation.LATEST}


def plan(number: int, timing: BillingTiming, *features: Feature) -> Plan:
    """A plan version whose base fee is nothing, so that all its money is usage."""
    return Plan(UUID(int=number), f"Plan {number}", "USD", 0, Interval.MONTH, 1, timing, features)


@dataclass
class Event:
    """A fact, its quantity (None once it is taken back), and from when on it is known."""

    meter: int
    at: datetime
    quantity: Decimal | None


@dataclass
class Document:
    """An invoice that was made."""

    covers: Coverage
    lines: tuple[ChargeLine, ...]
    is_adjustment: bool
    is_void: bool = False


@dataclass
class Life:
    """A subscription that is billed and adjusted as the operations do it."""

    timing: BillingTiming
    events: list[Event] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plans = [
            plan(1, self.timing, feature("calls", 1, GRADUATED, 5), feature("peak", 2, PER_UNIT)),
            plan(2, self.timing, feature("calls", 1, VOLUME), feature("jobs", 3, PACKAGE)),
            plan(3, self.timing, feature("calls", 1, PER_UNIT, hard=True), feature("last", 4, PER_UNIT, 2)),
        ]
        self.subscription: Subscription = subscribed(
            subscription_id=UUID(int=99),
            customer_id=UUID(int=98),
            plan=self.plans[0],
            quantity=1,
            started_at=START,
            billing_anchor=None,
            trial_days=0,
            zone=ZoneInfo("America/New_York"),
        )

    @property
    def live(self) -> Coverage:
        """What invoices that are not void account for."""
        return sum((each.covers for each in self.documents if not each.is_void), Coverage())

    def used(self, spans: tuple[Period, ...], meter: int) -> Decimal:
        """What the events of some spans come to, told without the code under test."""
        found = sorted(
            (event.at, index, event.quantity)
            for index, event in enumerate(self.events)
            if event.meter == meter and event.quantity is not None and any(span.contains(event.at) for span in spans)
        )
        quantities = [quantity for _, _, quantity in found]
        match METERS[meter]:
            case Aggregation.SUM:
                return sum(quantities, NOTHING)
            case Aggregation.MAX:
                return max(quantities, default=NOTHING)
            case Aggregation.COUNT:
                return Decimal(len(quantities))
            case _:
                return quantities[-1] if quantities else NOTHING

    def _count(self, shares: tuple[object, ...]) -> Used:
        found: dict[tuple[UUID, UUID], Decimal] = {}
        for share in shares:
            for _, meter_id in billed_features(share.plan):  # type: ignore[attr-defined]
                found[share.plan.id, meter_id] = self.used(share.spans, meter_id.int)  # type: ignore[attr-defined]
        return found

    def bill(self, due: Due) -> None:
        """Make an invoice of what is due."""
        if not due.is_empty:
            lines = lines_of(due, self.subscription.timeline, self._count(due.usage))
            self._keep(lines, due.covers, is_adjustment=False)

    def _keep(self, lines: tuple[ChargeLine, ...], covers: Coverage, *, is_adjustment: bool) -> None:
        counts = tuple(count for line in lines for count in line.counts)
        self.documents.append(Document(covers + Coverage(counts=counts), lines, is_adjustment))

    def run(self, now: datetime) -> None:
        """Bill every boundary up to now, then book the differences of all that is closed."""
        while (at := self.subscription.due_at) is not None and at <= now:
            self.bill(due_at_boundary(self.subscription.timeline, at, self.live))
            self.subscription = self.subscription.billed(at)
        live, timeline = self.live, self.subscription.timeline
        for closed in closed_periods(timeline, live, START, now + timedelta(days=400)):
            lines = differences(closed, timeline, self._count(closed.usage), live)
            if lines:
                self._keep(lines, Coverage(), is_adjustment=True)

    def void(self, which: int) -> None:
        """Take a document back; what it billed is due again."""
        live = [each for each in self.documents if not each.is_void]
        if live:
            void = live[which % len(live)]
            void.is_void = True
            self.subscription = replace(self.subscription, billed_until=START - timedelta(microseconds=1))

    def act(self, now: datetime, what: str, which: int) -> None:
        """Do something to it, unless the rules refuse."""
        before = self.subscription
        try:
            match what:
                case "cancel":
                    self.subscription = before.cancelled(CancelTiming.NOW, now=now, at=None, reason=None)
                    self.bill(due_at_boundary(self.subscription.timeline, now, self.live))
                case "bill the current period early":
                    at = self.subscription.timeline.period_around(now).lived.end
                    self.bill(due_at_boundary(self.subscription.timeline, at, self.live))
                case _:
                    behavior = ProrationBehavior(what)
                    self.subscription = before.changed(self.plans[which % 3], 1, behavior, now=now)
                    if behavior is ProrationBehavior.PRORATE_NOW:
                        self.bill(due_at_change(self.subscription.timeline, now, self.live))
                    if behavior is ProrationBehavior.RESET_PERIOD:
                        self.bill(due_at_boundary(self.subscription.timeline, now, self.live))
                        self.subscription = self.subscription.billed(now)
        except Refusal:
            self.subscription = before

    def billed(self) -> dict[CountKey, int]:
        """What live invoices charge for each feature of a plan in a period."""
        found: dict[CountKey, int] = defaultdict(int)
        for each in self.documents:
            for line in each.lines if not each.is_void else ():
                if line.kind in (LineItemKind.USAGE, LineItemKind.ADJUSTMENT):
                    found[line.counts[0].key] += line.amount
        return dict(found)

    def right(self) -> dict[CountKey, int]:
        """What right invoices of each period would say, made from nothing by what is known now."""
        found: dict[CountKey, int] = {}
        for closed in closed_periods(self.subscription.timeline, self.live, START, START + timedelta(days=9999)):
            for share in closed.usage:
                for each, meter_id in billed_features(share.plan):
                    assert each.price is not None
                    used = self.used(share.spans, meter_id.int)
                    line = usage_line(each.key, each.name, used, each.included or NOTHING, each.price)
                    found[share.key(each)] = line.amount
        return found


ACTS = st.one_of(
    st.tuples(st.just("event"), st.integers(1, 4), st.integers(0, 35 * 24), st.integers(0, 25)),
    st.tuples(st.just("event"), st.integers(1, 4), st.integers(0, 35 * 24), st.integers(0, 25)),
    st.tuples(st.just("correct"), st.integers(0, 9), st.integers(-1, 25), st.just(0)),
    st.tuples(st.just("void"), st.integers(0, 9), st.just(0), st.just(0)),
    st.tuples(st.just("run"), st.just(0), st.just(0), st.just(0)),
    st.tuples(
        st.sampled_from([*ProrationBehavior, "bill the current period early", "cancel"]),
        st.integers(0, 2),
        st.just(0),
        st.just(0),
    ),
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(BillingTiming), st.lists(st.tuples(st.integers(0, 24 * 20), ACTS), min_size=3, max_size=16))
@example(
    BillingTiming.IN_ARREARS,
    [(24 * 5, ("event", 1, 0, 12)), (24 * 30, ("run", 0, 0, 0)), (1, ("event", 1, 24 * 9, 3)), (1, ("run", 0, 0, 0)),
     (1, ("void", 0, 0, 0)), (1, ("event", 1, 24 * 9, 4)), (1, ("run", 0, 0, 0))],
)  # fmt: skip
def test_original_and_adjustments_are_what_a_right_invoice_would_have_said(
    timing: BillingTiming, acts: list[tuple[int, tuple[str, int, int, int]]]
) -> None:
    """Over random histories of late events, corrections, voids, changes of plan and cancellations: to the minor unit,
    for each feature of each plan in each period; and a second run finds nothing more to book."""
    life, now = Life(timing), START
    for hours, (what, which, quantity, more) in acts:
        now += hours * HOUR
        match what:
            case "event":
                at = max(START, now - quantity * HOUR)
                life.events.append(Event(which, at, Decimal(more)))
            case "correct":
                if life.events:
                    life.events[which % len(life.events)].quantity = None if quantity < 0 else Decimal(quantity)
            case "void":
                life.void(which)
            case "run":
                life.run(now)
            case _:
                life.run(now)
                life.act(now, what, which)
    now += 40 * 24 * HOUR
    life.run(now)
    billed, right = life.billed(), life.right()
    assert {key: billed.get(key, 0) for key in billed | right} == {key: right.get(key, 0) for key in billed | right}
    made = len(life.documents)
    life.run(now)
    assert len(life.documents) == made
