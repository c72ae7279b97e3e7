"""What a customer may use: every kind of feature, every reason, several subscriptions, and the clock."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.domain.entitlement import (
    Entitlement,
    FeatureName,
    Grant,
    Level,
    LevelKey,
    Terms,
    entitled,
    terms_at,
)
from app.domain.period import Interval, Period
from app.domain.plan import BillingTiming, Enforcement, Feature, FeatureType, Plan
from app.domain.price import PricingModel, Tier, UsagePrice
from app.domain.subscription import CancelTiming, ProrationBehavior, Subscription, subscribed
from app.domain.usage import Aggregation

CUSTOMER = UUID(int=1)
CALLS, SEATS = UUID(int=11), UUID(int=12)
PRICE = UsagePrice(PricingModel.PER_UNIT, (Tier(None, Decimal(1), 0),), None, None, None)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
MAY_WHOLE = Period(MAY, JUNE)


def feature(kind: str, included: str | None = None, key: str = "calls") -> Feature:
    """A feature by one word: BOOLEAN, HARD, SOFT or METERED."""
    limit = None if included is None else Decimal(included)
    match kind:
        case "BOOLEAN":
            return Feature(key, key, FeatureType.BOOLEAN, None, None, None, None)
        case "METERED":
            return Feature(key, key, FeatureType.METERED, None, CALLS, limit, PRICE)
        case "HARD":
            return Feature(key, key, FeatureType.QUOTA, Enforcement.HARD, CALLS, limit, None)
        case _:
            return Feature(key, key, FeatureType.QUOTA, Enforcement.SOFT, CALLS, limit, PRICE)


def plan(number: int, *features: Feature) -> Plan:
    return Plan(
        UUID(int=100 + number), f"plan {number}", "USD", 0, Interval.MONTH, 1, BillingTiming.IN_ARREARS, features
    )


def grant(number: int, *features: Feature) -> Grant:
    """What subscription `number` grants in May."""
    return Grant(UUID(int=number), plan(number, *features), {CALLS: Aggregation.SUM}, MAY_WHOLE, (MAY_WHOLE,))


def asked(
    *grants: Grant, quantity: str = "1", levels: Sequence[tuple[str, str]] = (), key: str = "calls"
) -> Entitlement:
    """The answer where each grant's meter stands at (used, reserved)."""
    measured = {
        LevelKey(each.subscription_id, CALLS): Level(Decimal(used), Decimal(reserved))
        for each, (used, reserved) in zip(grants, levels, strict=False)
    }
    terms = Terms(CUSTOMER, grants, None)
    return entitled(terms, FeatureName(key, key, FeatureType.QUOTA), Decimal(quantity), measured)


# fmt: off
KINDS = [
    # kind,   included, used,  reserved, quantity, allowed, reason,        limit, remaining
    ("BOOLEAN", None,  "0",   "0",  "1",   True,  "GRANTED",       None,  None),
    ("METERED", None,  "9",   "0",  "1",   True,  "GRANTED",       None,  None),
    ("METERED", "5",   "9",   "0",  "1",   True,  "GRANTED",       None,  None),
    ("HARD",    "100", "0",   "0",  "1",   True,  "GRANTED",       "100", "100"),
    ("HARD",    "100", "99",  "0",  "1",   True,  "GRANTED",       "100", "1"),
    ("HARD",    "100", "100", "0",  "1",   False, "LIMIT_REACHED", "100", "0"),
    ("HARD",    "100", "100", "0",  "0",   True,  "GRANTED",       "100", "0"),
    ("HARD",    "100", "60",  "0",  "40",  True,  "GRANTED",       "100", "40"),
    ("HARD",    "100", "60",  "0",  "41",  False, "LIMIT_REACHED", "100", "40"),
    ("HARD",    "100", "60",  "30", "10",  True,  "GRANTED",       "100", "10"),
    ("HARD",    "100", "60",  "30", "11",  False, "LIMIT_REACHED", "100", "10"),
    ("HARD",    "100", "130", "0",  "1",   False, "LIMIT_REACHED", "100", "0"),
    ("HARD",    "0",   "0",   "0",  "1",   False, "LIMIT_REACHED", "0",   "0"),
    ("HARD",    "1",   "0.5", "0",  "0.5", True,  "GRANTED",       "1",   "0.5"),
    ("SOFT",    "100", "99",  "0",  "1",   True,  "GRANTED",       "100", "1"),
    ("SOFT",    "100", "100", "0",  "1",   True,  "OVERAGE",       "100", "0"),
    ("SOFT",    "100", "60",  "40", "1",   True,  "OVERAGE",       "100", "0"),
    ("SOFT",    "100", "250", "0",  "1",   True,  "OVERAGE",       "100", "0"),
]
# fmt: on


@pytest.mark.parametrize(
    ("kind", "included", "used", "reserved", "quantity", "allowed", "reason", "limit", "remaining"), KINDS
)
def test_a_feature_answers_by_its_kind_and_level(
    kind: str,
    included: str | None,
    used: str,
    reserved: str,
    quantity: str,
    allowed: bool,
    reason: str,
    limit: str | None,
    remaining: str | None,
) -> None:
    """Used, held and asked for together stay within a HARD limit, pass a SOFT one as overage, and know no other."""
    answer = asked(grant(1, feature(kind, included)), quantity=quantity, levels=[(used, reserved)])
    assert (answer.allowed, answer.reason) == (allowed, reason)
    assert (answer.limit, answer.remaining) == tuple(None if v is None else Decimal(v) for v in (limit, remaining))
    if kind == "BOOLEAN":
        assert (answer.used, answer.reserved, answer.resets_at) == (None, None, None)
    else:
        assert (answer.used, answer.reserved, answer.resets_at) == (Decimal(used), Decimal(reserved), JUNE)


def test_nothing_in_force_is_said_as_such() -> None:
    """No subscription, and no plan with the feature, are two reasons; the second names the plan that it is on."""
    nobody = asked()
    assert (nobody.allowed, nobody.reason, nobody.subscription_id) == (False, "NO_ACTIVE_SUBSCRIPTION", None)
    other = asked(grant(3, feature("BOOLEAN")), key="exports")
    assert (other.allowed, other.reason, other.subscription_id) == (False, "FEATURE_NOT_IN_PLAN", UUID(int=3))
    assert other.plan_id == UUID(int=103)


TEN, TWENTY, THIRTY, HUNDRED = (("HARD", limit) for limit in ("10", "20", "30", "100"))

# fmt: off
SEVERAL = [
    # subscriptions,          their levels,                           quantity, answers, reason,       used
    # The first made answers as long as it allows.
    ([TEN, HUNDRED],           [("3", "0"), ("0", "0")],              "7",    1, "GRANTED",       "3"),
    # What it cannot hold is the next one's to allow.
    ([TEN, HUNDRED],           [("3", "0"), ("0", "0")],              "8",    2, "GRANTED",       "0"),
    # What was recorded beyond the first one's limit counts against the second, and so on.
    ([TEN, HUNDRED],           [("70", "0"), ("0", "0")],             "40",   2, "GRANTED",       "60"),
    ([TEN, HUNDRED],           [("70", "0"), ("0", "0")],             "41",   2, "LIMIT_REACHED", "60"),
    ([TEN, HUNDRED],           [("10", "5"), ("90", "5")],            "1",    2, "LIMIT_REACHED", "95"),
    ([TEN, TWENTY, THIRTY],    [("70", "0"), ("0", "0"), ("0", "0")], "1",    3, "LIMIT_REACHED", "40"),
    # A SOFT limit and a METERED feature hold everything: nobody after them is asked.
    ([("SOFT", "10"), HUNDRED], [("70", "0"), ("0", "0")],            "1",    1, "OVERAGE",       "70"),
    ([TEN, ("SOFT", "100")],   [("70", "0"), ("99", "0")],            "1",    2, "GRANTED",       "99"),
    ([TEN, ("METERED", None)], [("70", "0"), ("0", "0")],             "1",    2, "GRANTED",       "0"),
    ([TEN, ("BOOLEAN", None)], [("10", "0"), ("0", "0")],             "1",    2, "GRANTED",       None),
]
# fmt: on


@pytest.mark.parametrize(("kinds", "levels", "quantity", "subscription", "reason", "used"), SEVERAL)
def test_several_subscriptions_answer_in_the_order_in_which_they_were_made(
    kinds: list[tuple[str, str | None]],
    levels: list[tuple[str, str]],
    quantity: str,
    subscription: int,
    reason: str,
    used: str | None,
) -> None:
    """One answers; what HARD limits before it could not hold is counted with it."""
    grants = [grant(number, feature(kind, included)) for number, (kind, included) in enumerate(kinds, 1)]
    answer = asked(*grants, quantity=quantity, levels=levels)
    assert (answer.subscription_id, answer.reason) == (UUID(int=subscription), reason)
    assert answer.used == (None if used is None else Decimal(used))


def test_sums_beyond_the_usual_precision_are_exact() -> None:
    """No digit is lost where a quantity has more than 28."""
    answer = asked(grant(1, feature("HARD", "12345678901234567890123456789")), levels=[("0.000000000001", "0")])
    assert answer.remaining == Decimal("12345678901234567890123456788.999999999999")


def subscription(number: int, on: Plan, started_at: datetime = MAY, trial_days: int = 0) -> Subscription:
    return subscribed(
        subscription_id=UUID(int=number),
        customer_id=CUSTOMER,
        plan=on,
        quantity=1,
        started_at=started_at,
        billing_anchor=None,
        trial_days=trial_days,
        zone=ZoneInfo("UTC"),
    )


def day(number: int, month: int = 5) -> datetime:
    return datetime(2026, month, number, tzinfo=UTC)


SMALL, LARGE = plan(1, feature("HARD", "10")), plan(2, feature("HARD", "100"))
METERS = {SMALL.id: {CALLS: Aggregation.SUM}, LARGE.id: {CALLS: Aggregation.SUM}}
FRESH = subscription(1, SMALL)
CHANGED = FRESH.changed(LARGE, 1, ProrationBehavior.PRORATE_NEXT, now=day(11))
BACK = CHANGED.changed(SMALL, 1, ProrationBehavior.PRORATE_NEXT, now=day(21))
RESET = FRESH.changed(LARGE, 1, ProrationBehavior.RESET_PERIOD, now=day(11))
PAUSED = FRESH.paused(now=day(11), resumes_at=day(16))
TRIAL = subscription(1, SMALL, trial_days=14)
ENDING = FRESH.cancelled(CancelTiming.PERIOD_END, now=day(11), at=None, reason=None)
GONE = FRESH.cancelled(CancelTiming.NOW, now=day(11), at=None, reason=None)
LATER = subscription(1, SMALL, started_at=day(20))

# fmt: off
TIMES = [
    # life,    now,            plan,  the spans whose usage counts,                     the next change by the clock
    (FRESH,    day(5),         SMALL, [(day(1), JUNE)],                                 JUNE),
    (FRESH,    JUNE,           SMALL, [(JUNE, day(1, 7))],                              day(1, 7)),
    (CHANGED,  day(10),        SMALL, [(day(1), day(11))],                              day(11)),
    (CHANGED,  day(11),        LARGE, [(day(11), JUNE)],                                JUNE),
    (BACK,     day(21),        SMALL, [(day(1), day(11)), (day(21), JUNE)],             JUNE),
    (RESET,    day(11),        LARGE, [(day(11), day(11, 6))],                          day(11, 6)),
    (PAUSED,   day(10),        SMALL, [(day(1), JUNE)],                                 day(11)),
    (PAUSED,   day(11),        None,  [],                                               day(16)),
    (PAUSED,   day(16),        SMALL, [(day(1), JUNE)],                                 JUNE),
    (TRIAL,    day(2),         SMALL, [(day(1), day(15))],                              day(15)),
    (TRIAL,    day(15),        SMALL, [(day(15), day(15, 6))],                          day(15, 6)),
    (ENDING,   day(31),        SMALL, [(day(1), JUNE)],                                 JUNE),
    (ENDING,   JUNE,           None,  [],                                               None),
    (GONE,     day(12),        None,  [],                                               None),
    (LATER,    day(19),        None,  [],                                               day(20)),
    (LATER,    day(20),        SMALL, [(day(20), day(20, 6))],                          day(20, 6)),
]
# fmt: on


@pytest.mark.parametrize(("life", "now", "on", "spans", "until"), TIMES)
def test_terms_follow_the_clock(
    life: Subscription, now: datetime, on: Plan | None, spans: list[tuple[datetime, datetime]], until: datetime | None
) -> None:
    """The plan in force, the period's usage under it, and until when the clock alone changes nothing."""
    terms = terms_at(CUSTOMER, [life], METERS, now)
    assert [each.plan for each in terms.grants] == ([] if on is None else [on])
    assert [(span.start, span.end) for each in terms.grants for span in each.spans] == spans
    assert terms.until == until


@pytest.mark.parametrize("life", [FRESH, CHANGED, BACK, RESET, PAUSED, TRIAL, ENDING, GONE, LATER])
def test_terms_hold_until_they_say(life: Subscription) -> None:
    """Between now and `until` the same question finds the same terms, hour by hour over two months."""
    now = day(1) - timedelta(days=2)
    while now < day(28, 6):
        terms = terms_at(CUSTOMER, [life], METERS, now)
        now += timedelta(hours=7)
        if terms.until is None or now < terms.until:
            assert terms_at(CUSTOMER, [life], METERS, now).grants == terms.grants
