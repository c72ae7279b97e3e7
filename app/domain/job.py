"""What is done in the background."""

from enum import StrEnum


class JobKind(StrEnum):
    """The kinds of jobs, as `noun.verb`; each has a file in `app/jobs/`."""

    BILLING_RUN = "billing.run"
    IDEMPOTENCY_PURGE = "idempotency.purge"
    RESERVATION_EXPIRE = "reservation.expire"
    USAGE_MATCH = "usage.match"
    USAGE_PURGE = "usage.purge"
