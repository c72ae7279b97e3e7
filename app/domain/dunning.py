"""When a payment that failed is tried again, and when the subscription is PAST_DUE."""

from datetime import datetime, timedelta
from typing import Final

RETRY_AFTER: Final = (timedelta(days=1), timedelta(days=3), timedelta(days=7))
"""The waits after each failure: with the first attempt on day 0, those on days 1, 4 and 11."""


def next_attempt(failed_at: datetime, failures: int) -> datetime | None:
    """When to try again after so many failures, the last of them at `failed_at`; None once it is PAST_DUE.

    Raises ValueError for fewer than one failure.
    """
    if failures < 1:
        raise ValueError("what did not fail is not tried again")
    return failed_at + RETRY_AFTER[failures - 1] if failures <= len(RETRY_AFTER) else None
