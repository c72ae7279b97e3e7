"""When what failed is tried again."""

from datetime import timedelta
from typing import Final

JITTER_STEPS: Final = 1_000


def retry_delay(attempt: int, first: timedelta, longest: timedelta, jitter: int) -> timedelta:
    """How long to wait after the attempt of that number, counted from 1: twice as long each time, up to `longest`.

    `jitter`, 0 to JITTER_STEPS and drawn anew each time, takes up to half of it away, so that what failed together
    does not come back together.
    """
    doublings = min(attempt - 1, 32)
    whole = min(first * 2**doublings, longest)
    return whole * (2 * JITTER_STEPS - jitter) // (2 * JITTER_STEPS)
