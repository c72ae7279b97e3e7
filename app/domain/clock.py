"""Where a TEST organization's clock may stand."""

from datetime import UTC, datetime
from typing import Final

from app.domain.errors import Invalid

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def clock_at(instant: datetime, path: str = "testClock") -> datetime:
    """The instant itself. Raises Invalid so far off that billing could not reckon years before and after it."""
    if not EARLIEST <= instant < LATEST:
        raise Invalid("Let the clock stand in the years 1970 to 2199.", path)
    return instant
