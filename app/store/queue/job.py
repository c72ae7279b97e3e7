"""A job as those who do it see it, and what they may say of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was taken. `attempt` counts from 1, those included whose worker died.

    `organization_id` is None only where somebody put the job into the queue past `enqueue`.
    """

    id: int
    kind: str
    organization_id: UUID | None
    payload: Mapping[str, Any]
    attempt: int


class TryAgain(Exception):
    """The job is to be tried again after `delay`; the message says why."""

    def __init__(self, why: str, delay: timedelta) -> None:
        super().__init__(why)
        self.delay = delay


Handler = Callable[[Job], Awaitable[None]]
"""Does a job. Where it raises TryAgain, the job waits; where it raises anything else, it is a dead letter."""


@dataclass(frozen=True, slots=True)
class Routine:
    """What is done regularly: by one of all workers, each time that the cron expression says, in UTC."""

    name: str
    cron: str
    run: Callable[[], Awaitable[None]]
