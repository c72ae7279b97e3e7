"""When a payment that failed is tried again."""

from datetime import UTC, datetime

import pytest

from app.domain.dunning import next_attempt

FIRST = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_a_payment_is_tried_on_days_0_1_4_and_11_and_then_given_up() -> None:
    """One day, three days and seven days after each failure; after the fourth the subscription is PAST_DUE."""
    at, days = FIRST, [0]
    for failures in (1, 2, 3):
        following = next_attempt(at, failures)
        assert following is not None
        at = following
        days.append((at - FIRST).days)
    assert days == [0, 1, 4, 11]
    assert next_attempt(at, 4) is None
    assert next_attempt(at, 9) is None


def test_what_did_not_fail_is_not_tried_again() -> None:
    """Zero failures are a mistake of the caller."""
    with pytest.raises(ValueError, match="did not fail"):
        next_attempt(FIRST, 0)
