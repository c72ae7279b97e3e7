"""When what failed is tried again."""

from datetime import timedelta

import pytest

from app.domain.retry import JITTER_STEPS, retry_delay

FIRST, LONGEST = timedelta(seconds=2), timedelta(minutes=10)

# fmt: off
CASES = [
    # attempt  jitter           seconds
    (1,        0,                  2),
    (2,        0,                  4),
    (3,        0,                  8),
    (3,        JITTER_STEPS,       4),
    (3,        JITTER_STEPS // 2,  6),
    (9,        0,                512),
    (10,       0,                600),
    (10_000,   0,                600),
    (10_000,   JITTER_STEPS,     300),
]
# fmt: on


@pytest.mark.parametrize(("attempt", "jitter", "seconds"), CASES)
def test_each_failure_waits_twice_as_long(attempt: int, jitter: int, seconds: int) -> None:
    """Up to the longest, less up to half of it by chance."""
    assert retry_delay(attempt, FIRST, LONGEST, jitter) == timedelta(seconds=seconds)
