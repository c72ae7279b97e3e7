"""The life of a subscription: which change is taken in which state, and which state follows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.domain.errors import InvalidState
from app.domain.period import Interval
from app.domain.plan import BillingTiming, Plan
from app.domain.subscription import (
    TRANSITIONS,
    CancelTiming,
    ProrationBehavior,
    Subscription,
    SubscriptionStatus,
    subscribed,
)

NOW = datetime(2026, 5, 20, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN = Plan(UUID(int=1), "Pro", "USD", 3100, Interval.MONTH, 1, BillingTiming.IN_ARREARS, ())
OTHER = Plan(UUID(int=2), "Team", "USD", 6200, Interval.MONTH, 1, BillingTiming.IN_ARREARS, ())

T, A, D, P, C = (
    SubscriptionStatus.TRIALING,
    SubscriptionStatus.ACTIVE,
    SubscriptionStatus.PAST_DUE,
    SubscriptionStatus.PAUSED,
    SubscriptionStatus.CANCELED,
)


def subscription_in(status: SubscriptionStatus) -> Subscription:
    """A subscription since ten days that is in that status now."""
    made = subscribed(
        subscription_id=UUID(int=3),
        customer_id=UUID(int=4),
        plan=PLAN,
        quantity=1,
        started_at=NOW - 10 * DAY,
        billing_anchor=None,
        trial_days=14 if status is T else 0,
        zone=ZoneInfo("UTC"),
    )
    match status:
        case SubscriptionStatus.PAST_DUE:
            return Subscription(
                made.id, made.customer_id, made.timeline, billed_until=made.billed_until, past_due_at=NOW - DAY
            )
        case SubscriptionStatus.PAUSED:
            return made.paused(now=NOW - DAY, resumes_at=None)
        case SubscriptionStatus.CANCELED:
            return made.cancelled(CancelTiming.NOW, now=NOW - DAY, at=None, reason=None)
        case _:
            return made


CHANGES: dict[str, Callable[[Subscription], Subscription]] = {
    "pause": lambda it: it.paused(now=NOW, resumes_at=None),
    "resume": lambda it: it.resumed(now=NOW),
    "cancel": lambda it: it.cancelled(CancelTiming.NOW, now=NOW, at=None, reason=None),
    "cancel at the period's end": lambda it: it.cancelled(CancelTiming.PERIOD_END, now=NOW, at=None, reason=None),
    "change": lambda it: it.changed(OTHER, 2, ProrationBehavior.PRORATE_NEXT, now=NOW),
}

FOLLOWS: dict[tuple[str, SubscriptionStatus], SubscriptionStatus | None] = {
    # Of each change in each status, the status that follows at once; None where it is refused.
    ("pause", T): P,
    ("pause", A): P,
    ("pause", D): P,
    ("pause", P): None,
    ("pause", C): None,
    ("resume", T): None,
    ("resume", A): None,
    ("resume", D): None,
    ("resume", P): A,
    ("resume", C): None,
    ("cancel", T): C,
    ("cancel", A): C,
    ("cancel", D): C,
    ("cancel", P): C,
    ("cancel", C): None,
    ("cancel at the period's end", T): T,
    ("cancel at the period's end", A): A,
    ("cancel at the period's end", D): D,
    ("cancel at the period's end", P): P,
    ("cancel at the period's end", C): None,
    ("change", T): T,
    ("change", A): A,
    ("change", D): D,
    ("change", P): P,
    ("change", C): None,
}


def test_every_change_is_tried_in_every_status() -> None:
    """A new status, or a new change, fails here until it is decided."""
    assert FOLLOWS.keys() == {(change, status) for change in CHANGES for status in SubscriptionStatus}
    assert TRANSITIONS.keys() == set(SubscriptionStatus)


@pytest.mark.parametrize(("change", "status"), FOLLOWS)
def test_a_change_is_taken_or_refused_by_the_status(change: str, status: SubscriptionStatus) -> None:
    """What follows is a transition of the table, and the version grows; a refusal is INVALID_STATE at the id."""
    before = subscription_in(status)
    assert before.status(NOW) is status
    expected = FOLLOWS[change, status]
    if expected is None:
        with pytest.raises(InvalidState) as refused:
            CHANGES[change](before)
        assert refused.value.path == ("subscriptionId",)
        return
    after = CHANGES[change](before)
    assert after.status(NOW) is expected
    assert expected is status or expected in TRANSITIONS[status]
    assert after.version == before.version + 1


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_the_clock_moves_along_the_table(status: SubscriptionStatus) -> None:
    """Each status that an instant brings is one that the table lets follow the one before: day by day for a year."""
    lives = [subscription_in(status)]
    if status is not C:
        lives.append(CHANGES["cancel at the period's end"](lives[0]))
    if status not in (P, C):
        lives.append(lives[0].paused(now=NOW, resumes_at=NOW + 7 * DAY))
    for life in lives:
        seen = [life.status(NOW + number * DAY) for number in range(365)]
        for earlier, later in pairwise(seen):
            assert later is earlier or later in TRANSITIONS[earlier]


def test_canceled_is_final() -> None:
    """Nothing follows it; every other status may be followed by it."""
    assert TRANSITIONS[C] == frozenset()
    assert all(C in following for status, following in TRANSITIONS.items() if status is not C)


def test_no_status_follows_itself() -> None:
    """A transition leads elsewhere."""
    assert [status for status, following in TRANSITIONS.items() if status in following] == []
