"""A customer's commitment to a plan, and how it ends."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.errors import Invalid, InvalidState, VersionConflict
from app.domain.period import Period, period_at, shown
from app.domain.plan import Plan


class SubscriptionStatus(StrEnum):
    """Where a subscription is in its life."""

    ACTIVE = "ACTIVE"
    CANCELED = "CANCELED"


class CancelTiming(StrEnum):
    """When a cancellation takes effect."""

    NOW = "NOW"
    PERIOD_END = "PERIOD_END"
    AT = "AT"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as its life needs it; periods are counted from `billing_anchor` in the organization's zone."""

    id: UUID
    customer_id: UUID
    quantity: int
    started_at: datetime
    billing_anchor: datetime
    plan: Plan
    zone: ZoneInfo
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    cancel_requested_at: datetime | None = None
    cancel_at: datetime | None = None
    cancel_reason: str | None = None
    ended_at: datetime | None = None
    version: int = 1

    def expecting(self, version: int | None) -> "Subscription":
        """The same subscription, or VersionConflict where the caller saw another version of it."""
        if version is not None and version != self.version:
            raise VersionConflict(
                f"The subscription is at version {self.version}: read it again, then repeat the change.",
                "expectedVersion",
            )
        return self

    def whole_period(self, instant: datetime) -> Period:
        """The billing period around an instant, as if the subscription ran for ever."""
        return period_at(self.billing_anchor, self.plan.interval, self.plan.interval_count, self.zone, instant)

    def lived(self, whole: Period) -> Period:
        """The part of a billing period in which the subscription lives: cut by its start and by its end."""
        end = whole.end if self.cancel_at is None else min(whole.end, self.cancel_at)
        start = max(whole.start, self.started_at)
        return Period(start, max(start, end))

    def current_period(self, now: datetime) -> Period:
        """The period that is running, or the last one where the subscription has ended."""
        return self.lived(self.whole_period(self.last_moment(now)))

    def last_moment(self, now: datetime) -> datetime:
        """Now, kept inside the subscription's life."""
        moment = max(now, self.started_at)
        if self.cancel_at is not None and self.cancel_at <= moment:
            # A period is half-open: the end belongs to the next one.
            return max(self.started_at, self.cancel_at - _TICK)
        return moment

    def cancelled(
        self, timing: CancelTiming, *, now: datetime, at: datetime | None, reason: str | None
    ) -> "Subscription":
        """The subscription with its end set: CANCELED where that is not in the future. Raises InvalidState, Invalid."""
        if self.status is SubscriptionStatus.CANCELED:
            raise InvalidState("The subscription is CANCELED already.", "subscriptionId")
        end = self._end(timing, now=now, at=at)
        over = end <= now
        return replace(
            self,
            status=SubscriptionStatus.CANCELED if over else self.status,
            cancel_requested_at=now,
            cancel_at=end,
            cancel_reason=reason,
            ended_at=end if over else None,
            version=self.version + 1,
        )

    def _end(self, timing: CancelTiming, *, now: datetime, at: datetime | None) -> datetime:
        if at is not None and timing is not CancelTiming.AT:
            raise Invalid("Give `at` only with timing AT.", "at")
        match timing:
            case CancelTiming.NOW:
                return max(now, self.started_at)
            case CancelTiming.PERIOD_END:
                return self.whole_period(max(now, self.started_at)).end
            case CancelTiming.AT:
                return self._end_at(at, now)

    def _end_at(self, at: datetime | None, now: datetime) -> datetime:
        if at is None:
            raise Invalid("Give `at`, the instant when it ends.", "at")
        if at < self.started_at:
            raise Invalid("The subscription began later than that: give a later instant.", "at")
        current = self.current_period(now)
        if at < current.start:
            raise Invalid(
                f"The current period began at {shown(current.start)}: give that instant or a later one.", "at"
            )
        return at


_TICK = datetime.resolution
