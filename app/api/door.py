"""How callers of the routes beside GraphQL are let in: by the same credentials, scopes and refusals as here."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import structlog

from app.api import errors
from app.api.act import Act, action_of, actor_of, record_acts
from app.api.authentication import Authenticator
from app.api.charge import Till
from app.api.errors import ErrorCode, Forbidden
from app.api.ids import CUSTOMER, ORGANIZATION, SUBSCRIPTION, type_id, uuid_of
from app.logs import note
from app.store.tenancy import Database, TenantDatabase

log = structlog.get_logger(__name__)

_STATUS: Final[dict[ErrorCode, HTTPStatus]] = {
    ErrorCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_HEADERS: Final[dict[ErrorCode, Mapping[str, str]]] = {
    ErrorCode.UNAUTHENTICATED: {"www-authenticate": "Bearer"},
    ErrorCode.OVERLOADED: {"retry-after": "1"},
}


class ApiDoor:
    """What `app/web/door.py` asks for."""

    def __init__(self, database: Database, authenticator: Authenticator, till: Till) -> None:
        self._database = database
        self._authenticator = authenticator
        self._till = till

    async def enter(self, headers: Mapping[str, str], request_id: str, scope: str) -> TenantDatabase:
        """The database as the caller's active organization sees it. For those who change something.

        Raises Unauthenticated, Forbidden, InvalidState, Unavailable.
        """
        tenant = await self._authenticator.tenant(headers, request_id)
        note(organization_id=type_id(ORGANIZATION, tenant.organization_id))
        db = self._database.tenant(tenant.organization_id, actor_of(tenant.principal, request_id))
        if not tenant.may(scope):
            await record_acts(db, [Act.lacking(scope)])
            raise Forbidden(f"The role {tenant.principal.role} does not hold {scope}.")
        if tenant.principal.trusted_documents_only:
            await record_acts(db, [Act.denied(action_of(scope), "the credential may send trusted documents alone")])
            raise Forbidden("This credential may send trusted documents alone.")
        tenant.principal.check_may_change()
        return db

    async def pay_for_usage(self, organization_id: UUID, events: int) -> float | None:
        """Take the points that `usageRecord` of so many events costs; where they are not there, say when they are."""
        return await self._till.pay_for_usage(organization_id, events)

    def limits(self, organization_id: UUID) -> Mapping[str, str]:
        """The RateLimit headers; none where there is no limit."""
        return self._till.limits(organization_id)

    def refusal(self, error: Exception, request_id: str) -> tuple[int, Mapping[str, str], Mapping[str, Any]]:
        """An error as its status, headers and what is told of it; what is not ours is logged whole and masked."""
        code, message = errors.code_and_message(error)
        if code is ErrorCode.INTERNAL:
            log.error("request.failed", request_id=request_id, exc_info=error)
        told = {"message": message, "extensions": {"code": code, "requestId": request_id}}
        return _STATUS.get(code, HTTPStatus.BAD_REQUEST), _HEADERS.get(code, {}), told

    def customer_id(self, text: str) -> UUID:
        """The UUID of a customer's id; NOBODY where it cannot be one."""
        return uuid_of(CUSTOMER, text)

    def subscription_id(self, text: str) -> UUID:
        """The same of a subscription's."""
        return uuid_of(SUBSCRIPTION, text)
