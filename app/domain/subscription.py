"""A customer's commitment to a plan: how it begins, changes, pauses and ends."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.errors import CurrencyMismatch, Invalid, InvalidState, VersionConflict
from app.domain.period import Interval, Period, boundary, shown
from app.domain.plan import BillingTiming, Plan
from app.domain.timeline import TICK, Pause, Phase, Timeline


class SubscriptionStatus(StrEnum):
    """Where a subscription is in its life; it follows from its facts and the clock (decision 0005)."""

    TRIALING = "TRIALING"
    ACTIVE = "ACTIVE"
    PAST_DUE = "PAST_DUE"
    PAUSED = "PAUSED"
    CANCELED = "CANCELED"


class CancelTiming(StrEnum):
    """When a cancellation takes effect."""

    NOW = "NOW"
    PERIOD_END = "PERIOD_END"
    AT = "AT"


class ProrationBehavior(StrEnum):
    """What a change of plan in the middle of a period does to the money."""

    PRORATE_NOW = "PRORATE_NOW"
    PRORATE_NEXT = "PRORATE_NEXT"
    NONE = "NONE"
    RESET_PERIOD = "RESET_PERIOD"


TRANSITIONS: dict[SubscriptionStatus, frozenset[SubscriptionStatus]] = {
    SubscriptionStatus.TRIALING: frozenset(
        {SubscriptionStatus.ACTIVE, SubscriptionStatus.PAUSED, SubscriptionStatus.CANCELED}
    ),
    SubscriptionStatus.ACTIVE: frozenset(
        {SubscriptionStatus.PAST_DUE, SubscriptionStatus.PAUSED, SubscriptionStatus.CANCELED}
    ),
    SubscriptionStatus.PAST_DUE: frozenset(
        {SubscriptionStatus.ACTIVE, SubscriptionStatus.PAUSED, SubscriptionStatus.CANCELED}
    ),
    SubscriptionStatus.PAUSED: frozenset(
        {
            SubscriptionStatus.TRIALING,
            SubscriptionStatus.ACTIVE,
            SubscriptionStatus.PAST_DUE,
            SubscriptionStatus.CANCELED,
        }
    ),
    SubscriptionStatus.CANCELED: frozenset(),
}
"""The clock ends trials, pauses and lives; mutations pause, resume and cancel; payments move to PAST_DUE and back."""

QUANTITY_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as its life needs it. All of its periods' boundaries up to `billed_until` are billed."""

    id: UUID
    customer_id: UUID
    timeline: Timeline
    billed_until: datetime
    cancel_requested_at: datetime | None = None
    cancel_reason: str | None = None
    past_due_at: datetime | None = None
    version: int = 1

    @property
    def plan(self) -> Plan:
        """The plan version that it is on."""
        return self.timeline.phases[-1].plan

    @property
    def quantity(self) -> int:
        """The seats that it has."""
        return self.timeline.phases[-1].quantity

    @property
    def billing_anchor(self) -> datetime:
        """What its periods are counted from."""
        return self.timeline.phases[-1].anchor

    @property
    def due_at(self) -> datetime | None:
        """The next boundary that is to be billed; None once all of its life is."""
        return self.timeline.next_boundary(self.billed_until)

    def status(self, now: datetime) -> SubscriptionStatus:
        """Where it is in its life at an instant."""
        if self.timeline.ends_at is not None and self.timeline.ends_at <= now:
            return SubscriptionStatus.CANCELED
        if any(pause.contains(now) for pause in self.timeline.pauses):
            return SubscriptionStatus.PAUSED
        if self.timeline.trial_end is not None and now < self.timeline.trial_end:
            return SubscriptionStatus.TRIALING
        return SubscriptionStatus.ACTIVE if self.past_due_at is None else SubscriptionStatus.PAST_DUE

    def expecting(self, version: int | None) -> "Subscription":
        """The same subscription, or VersionConflict where the caller saw another version of it."""
        if version is not None and version != self.version:
            raise VersionConflict(
                f"The subscription is at version {self.version}: read it again, then repeat the change.",
                "expectedVersion",
            )
        return self

    def billed(self, boundary_at: datetime) -> "Subscription":
        """The subscription once a boundary is billed; an earlier one that is not stays to be billed."""
        return replace(self, billed_until=boundary_at) if self.due_at == boundary_at else self

    def cancelled(
        self, timing: CancelTiming, *, now: datetime, at: datetime | None, reason: str | None
    ) -> "Subscription":
        """The subscription with its end set: CANCELED where that is not in the future. Raises InvalidState, Invalid."""
        self._to(SubscriptionStatus.CANCELED, now)
        return replace(
            self,
            timeline=replace(self.timeline, ends_at=self._end(timing, now=now, at=at)),
            cancel_requested_at=now,
            cancel_reason=reason,
            version=self.version + 1,
        )

    def changed(self, plan: Plan, quantity: int, proration: ProrationBehavior, *, now: datetime) -> "Subscription":
        """The subscription on another plan version or with other seats, from now on (from its start, before that).

        Raises InvalidState, Invalid, CurrencyMismatch.
        """
        if self.status(now) is SubscriptionStatus.CANCELED:
            raise InvalidState("The subscription is CANCELED: subscribe anew.", "subscriptionId")
        check_quantity(quantity)
        if (plan.id, quantity) == (self.plan.id, self.quantity):
            raise Invalid("The subscription is on this plan version with these seats: give another.", "planKey")
        if plan.currency != self.plan.currency:
            raise CurrencyMismatch(
                f"The plan is in {plan.currency} and the subscription in {self.plan.currency}:"
                " choose a plan in its currency.",
                "planKey",
            )
        at = max(now, self.timeline.started_at)
        phase = Phase(at, self._fee_from(plan, proration, at), plan, quantity, self._anchor(proration, at))
        timeline = replace(self.timeline, phases=(*self.timeline.phases, phase))
        return replace(self, timeline=timeline, version=self.version + 1)

    def paused(self, *, now: datetime, resumes_at: datetime | None) -> "Subscription":
        """The subscription without base fee from now on. Raises InvalidState, Invalid."""
        self._to(SubscriptionStatus.PAUSED, now)
        if now < self.timeline.started_at:
            raise InvalidState("The subscription has not begun: there is nothing to pause.", "subscriptionId")
        if resumes_at is not None and resumes_at <= now:
            raise Invalid(f"Give an instant later than now, {shown(now)}.", "resumesAt")
        timeline = replace(self.timeline, pauses=(*self.timeline.pauses, Pause(now, resumes_at)))
        return replace(self, timeline=timeline, version=self.version + 1)

    def resumed(self, *, now: datetime) -> "Subscription":
        """The subscription with its pause ended now. Raises InvalidState where none is in force."""
        status = self.status(now)
        if status is not SubscriptionStatus.PAUSED:
            raise InvalidState(f"The subscription is {status}: only a PAUSED one can be resumed.", "subscriptionId")
        *earlier, pause = self.timeline.pauses
        timeline = replace(self.timeline, pauses=(*earlier, replace(pause, ends_at=now)))
        return replace(self, timeline=timeline, version=self.version + 1)

    def _to(self, status: SubscriptionStatus, now: datetime) -> None:
        current = self.status(now)
        if status not in TRANSITIONS[current]:
            raise InvalidState(f"The subscription is {current} and cannot become {status}.", "subscriptionId")

    def _fee_from(self, plan: Plan, proration: ProrationBehavior, at: datetime) -> datetime:
        """When the new fee begins to count. Raises Invalid where the behaviour does not fit the plan or the moment."""
        if at < self.timeline.billed_from:
            if proration is ProrationBehavior.RESET_PERIOD:
                raise Invalid("While it is TRIALING no period runs: choose another behaviour.", "proration")
            return at
        if proration is not ProrationBehavior.RESET_PERIOD and plan.rhythm != self.plan.rhythm:
            raise Invalid(
                f"The new plan is billed {_words(plan)}, the old one {_words(self.plan)}: change with RESET_PERIOD.",
                "proration",
            )
        match proration:
            case ProrationBehavior.NONE:
                return self._end_of_period(at)
            case ProrationBehavior.PRORATE_NOW | ProrationBehavior.PRORATE_NEXT | ProrationBehavior.RESET_PERIOD:
                return at
            case unknown:
                assert_never(unknown)

    def _anchor(self, proration: ProrationBehavior, at: datetime) -> datetime:
        return at if proration is ProrationBehavior.RESET_PERIOD else self.billing_anchor

    def _end(self, timing: CancelTiming, *, now: datetime, at: datetime | None) -> datetime:
        if at is not None and timing is not CancelTiming.AT:
            raise Invalid("Give `at` only with timing AT.", "at")
        moment = max(now, self.timeline.started_at)
        match timing:
            case CancelTiming.NOW:
                return moment
            case CancelTiming.PERIOD_END:
                return self._end_of_period(moment)
            case CancelTiming.AT:
                return self._end_at(at, now)
            case unknown:
                assert_never(unknown)

    def _end_of_period(self, moment: datetime) -> datetime:
        """Where the period around a moment ends, whatever end is set: the trial's, where it is TRIALING."""
        return replace(self.timeline, ends_at=None).current_period(moment).end

    def _end_at(self, at: datetime | None, now: datetime) -> datetime:
        if at is None:
            raise Invalid("Give `at`, the instant when it ends.", "at")
        if at < self.timeline.started_at:
            raise Invalid("The subscription began later than that: give a later instant.", "at")
        current = self.timeline.current_period(now)
        if at < current.start:
            raise Invalid(
                f"The current period began at {shown(current.start)}: give that instant or a later one.", "at"
            )
        return at


def subscribed(
    *,
    subscription_id: UUID,
    customer_id: UUID,
    plan: Plan,
    quantity: int,
    started_at: datetime,
    billing_anchor: datetime | None,
    trial_days: int,
    zone: ZoneInfo,
) -> Subscription:
    """A new subscription. A trial lasts whole days of the wall clock; periods are counted from its end, or from the
    start, unless an anchor is given. Raises Invalid for a quantity out of bounds.
    """
    check_quantity(quantity)
    trial_end = boundary(started_at, Interval.DAY, 1, trial_days, zone) if trial_days else None
    anchor = billing_anchor or trial_end or started_at
    phase = Phase(started_at, started_at, plan, quantity, anchor)
    timeline = Timeline(zone=zone, started_at=started_at, phases=(phase,), trial_end=trial_end)
    return Subscription(
        id=subscription_id, customer_id=customer_id, timeline=timeline, billed_until=timeline.billed_from - TICK
    )


def check_quantity(quantity: int) -> None:
    """Go on where there may be so many seats. Raises Invalid."""
    if not 1 <= quantity <= QUANTITY_MAX:
        raise Invalid(f"Give a quantity from 1 to {QUANTITY_MAX:,}.", "quantity")


def upcoming_boundary(subscription: Subscription, now: datetime) -> datetime:
    """The boundary that ends the period running now, or the last one of a life that is over."""
    moment = subscription.timeline.last_moment(now)
    following = subscription.timeline.next_boundary(moment)
    return subscription.timeline.current_period(moment).end if following is None else following


def invoice_boundary(subscription: Subscription, period: Period) -> datetime:
    """Where a period's invoice falls due: at its beginning IN_ADVANCE, at its end IN_ARREARS."""
    found = subscription.timeline.period_around(period.start)
    return found.lived.start if found.timing is BillingTiming.IN_ADVANCE else found.lived.end


def _words(plan: Plan) -> str:
    timing = "in advance" if plan.timing is BillingTiming.IN_ADVANCE else "in arrears"
    return f"every {plan.interval_count} {plan.interval} {timing}"
