"""What a route beside GraphQL needs to let a caller in: the program that puts both edges together gives it."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol
from uuid import UUID

from app.store.tenancy import TenantDatabase


class Door(Protocol):
    """Knows credentials, tenants, scopes, ids and errors, as GraphQL does. Edges do not import each other."""

    async def enter(self, headers: Mapping[str, str], request_id: str, scope: str) -> TenantDatabase:
        """The database as the caller's active organization sees it, where the caller holds the scope.

        Raises what `refusal` knows; a denial is audited.
        """
        ...

    async def pay_for_usage(self, organization_id: UUID, events: int) -> float | None:
        """Take the points that recording so many events costs; where they are not there, say in how many seconds.

        None once they are taken, and where there is no limit.
        """
        ...

    def limits(self, organization_id: UUID) -> Mapping[str, str]:
        """The headers that say what the organization has left; none where there is no limit."""
        ...

    def refusal(self, error: Exception, request_id: str) -> tuple[int, Mapping[str, str], Mapping[str, Any]]:
        """An error as its status, its headers, and what the answer says of it: ours by its sentence, others masked."""
        ...

    def customer_id(self, text: str) -> UUID:
        """The UUID of a customer's id; of one that cannot be, a UUID that is never found."""
        ...

    def subscription_id(self, text: str) -> UUID:
        """The same of a subscription's."""
        ...


class BadRequest(Exception):
    """The request cannot be read any further. The message says why."""

    status = HTTPStatus.BAD_REQUEST
    code = "BAD_USER_INPUT"
    headers: Mapping[str, str] = {}

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class WrongMediaType(BadRequest):
    """The body is of a kind that is not taken here."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class TooSlow(BadRequest):
    """Nothing whole came in for too long."""

    status = HTTPStatus.REQUEST_TIMEOUT


class SpentAll(BadRequest):
    """The organization has no points for more events, and will not have them soon enough."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "RATE_LIMITED"

    def __init__(self, seconds: float) -> None:
        super().__init__("The organization has spent its points: wait as many seconds as Retry-After says.")
        self.headers = {"retry-after": str(max(1, math.ceil(seconds)))}


class TooMany(BadRequest):
    """The organization, or the process, has as many requests in hand as it may have."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "OVERLOADED"
    headers = {"retry-after": "1"}  # noqa: RUF012 - never changed
