"""/graphql over HTTP: reads the request, finds its tenant, executes, answers; and GraphiQL for a browser."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType as StrawberryOperationType

from app.api import errors
from app.api.authentication import Authenticator
from app.api.charge import Till
from app.api.documents import Documents, PersistedQueryNotFound
from app.api.errors import ApiError, BadUserInput, ErrorCode, Forbidden, Overloaded, RateLimited
from app.api.graphiql import CONTENT_SECURITY_POLICY
from app.api.hangup import Attended, HungUp
from app.api.ids import ORGANIZATION, type_id
from app.api.limits import (
    GraphQLRequest,
    TooLarge,
    TooSlow,
    WrongMediaType,
    body_of,
    request_from_json,
    request_from_parts,
    variables_from_json,
)
from app.api.observer import HUNG_UP, OK, REFUSED, Observer, Seen
from app.api.schema import schema
from app.api.tenancy import Context, Tenant
from app.api.turnstile import Turnstile
from app.settings import Settings
from app.store.connection import Unavailable
from app.store.memory import EntitlementMemory
from app.store.tenancy import Database

log = structlog.get_logger(__name__)

RESPONSE_JSON: Final = "application/graphql-response+json"
PLAIN_JSON: Final = "application/json"
HTML: Final = "text/html"

_SAFE: Final = frozenset({"GET", "HEAD"})
"""The methods that change nothing: a HEAD is a GET whose answer is cut off."""

_STATUS: Final[dict[type[ApiError], HTTPStatus]] = {
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    WrongMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    PersistedQueryNotFound: HTTPStatus.OK,  # as Apollo's server answers, and its clients expect
}

_STATUS_OF_CODE: Final[dict[ErrorCode, HTTPStatus]] = {
    ErrorCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_CLIENT_CLOSED: Final = 499
"""What the log says of an answer that nobody waited for."""

_READS: Final = frozenset({StrawberryOperationType.QUERY})
_ALL: Final = frozenset({StrawberryOperationType.QUERY, StrawberryOperationType.MUTATION})


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, before it is bytes. `refused` says that no operation was executed."""

    content: dict[str, Any]
    context: Context
    refused: bool
    code: ErrorCode | None = None


class GraphQLEndpoint:
    """Serves one path. A POST carries any operation as application/json, a GET only a query."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        authenticator: Authenticator,
        page: str | None,
        entitlements: EntitlementMemory,
        documents: Documents,
        till: Till,
        observers: Sequence[Observer] = (),
    ) -> None:
        """`page` is GraphiQL's, or None where it is not served."""
        self._till = till
        self._turnstile = Turnstile(settings.operations_max, settings.organization_operations_max)
        self._settings = settings
        self._database = database
        self._authenticator = authenticator
        self._documents = documents
        self._page = page
        self._observers = observers
        self._entitlements = entitlements

    async def __call__(self, request: Request) -> Response:
        """Answer a request; whatever happens, as JSON with a code and the request's id."""
        if request.method in _SAFE and self._page is not None and _wants_page(request):
            return self._graphiql(self._page)
        request_id: str = request.state.request_id
        media_type = _media_type(request.headers.get("accept"))
        started = time.perf_counter()
        seen = Seen()
        try:
            answer = await self._answer(request, request_id, seen)
        except ApiError as error:
            self._tell(seen, error.code, started)
            return _refusal(error, request_id, media_type)
        except Unavailable as error:
            self._tell(seen, ErrorCode.OVERLOADED, started)
            return _refusal(Overloaded(errors.code_and_message(error)[1]), request_id, media_type)
        except HungUp:
            self._tell(seen, HUNG_UP, started)
            log.info("graphql.hung_up", request_id=request_id)
            return Response(status_code=_CLIENT_CLOSED)
        except Exception:
            self._tell(seen, ErrorCode.INTERNAL, started)
            raise
        log.info(
            "graphql.answered",
            request_id=request_id,
            milliseconds=round((time.perf_counter() - started) * 1000, 2),
            code=answer.code,
            planning=answer.context.planning,
        )
        self._tell(seen, answer.code, started)
        return _response(answer, media_type, self._till.headers(answer.context.charge))

    def _tell(self, seen: Seen, code: str | None, started: float) -> None:
        """Tell whoever counts or traces requests what became of one."""
        if self._observers:
            refused = seen.context is not None and seen.context.was_refused
            told = code or (REFUSED if refused else OK)
            for observer in self._observers:
                observer.answered(seen, told, time.perf_counter() - started)

    async def _answer(self, request: Request, request_id: str, seen: Seen) -> Answer:
        tenant = seen.tenant = await self._authenticator.tenant(request.headers, request_id)
        for observer in self._observers:
            observer.entered(tenant)
        structlog.contextvars.bind_contextvars(organization_id=type_id(ORGANIZATION, tenant.organization_id))
        body = None
        if request.method not in _SAFE:
            _check_media_type(request)
            body = await body_of(
                request,
                bytes_max=self._settings.usage_body_bytes_max,
                seconds_max=self._settings.body_seconds_max,
            )
        # Only now, so that a slow client takes nobody's place.
        await self._turnstile.enter(tenant.organization_id)
        try:
            given = await self._given(request, body, tenant, request_id)
            context = seen.context = self._context(request, given, tenant, request_id)
            async with Attended(request):
                answer = await self._execute(given, context, read_only=body is None)
            if not answer.refused:
                self._documents.remember(given, tenant)
        finally:
            self._turnstile.leave(tenant.organization_id)
        return answer

    async def _given(self, request: Request, body: bytes | None, tenant: Tenant, request_id: str) -> GraphQLRequest:
        """The request, its document spelled out. Raises BadUserInput, and what `Documents` raises."""
        given = _from_url(request.query_params) if body is None else request_from_json(body)
        if given.document_id or given.document_hash or tenant.principal.trusted_documents_only:
            given = replace(given, query=await self._documents.text_of(given, tenant, request_id))
        if body is not None and len(body) > self._settings.body_bytes_max and "usageRecord" not in given.query:
            raise TooLarge(f"The request is larger than {self._settings.body_bytes_max:,} bytes.")
        return given

    def _context(self, request: Request, given: GraphQLRequest, tenant: Tenant, request_id: str) -> Context:
        return Context(
            request_id=request_id,
            database=self._database,
            entitlements=self._entitlements,
            cursor_secret=self._settings.cursor_secret.get_secret_value(),
            api_key_pepper=self._settings.api_key_pepper.get_secret_value(),
            document=given.query,
            idempotency_header=request.headers.get("idempotency-key"),
            given_tenant=tenant,
            till=self._till,
            introspection=self._settings.introspection,
            planner=self._settings.planner,
        )

    async def _execute(self, given: GraphQLRequest, context: Context, *, read_only: bool) -> Answer:
        try:
            async with asyncio.timeout(self._settings.execution_seconds_max):
                result = await schema.execute(
                    given.query,
                    variable_values=given.variables,
                    operation_name=given.operation_name,
                    context_value=context,
                    allowed_operation_types=_READS if read_only else _ALL,
                )
        except TimeoutError as error:
            raise Overloaded("The operation took too long: ask for less at a time.") from error
        except InvalidOperationTypeError as error:
            if error.operation_type is StrawberryOperationType.MUTATION:
                raise _OnlyPost("Send a mutation by POST.") from error
            raise BadUserInput("Send a query or a mutation: subscriptions are not served here.") from error
        except CannotGetOperationTypeError as error:
            raise BadUserInput(error.as_http_error_reason()) from error
        return _answer_of(result.data, result.errors, context)

    def _graphiql(self, page: str) -> Response:
        return HTMLResponse(
            page, headers={"content-security-policy": CONTENT_SECURITY_POLICY, "cache-control": "no-store"}
        )


class _OnlyPost(BadUserInput):
    """A mutation came by GET."""


_STATUS[_OnlyPost] = HTTPStatus.METHOD_NOT_ALLOWED


def _answer_of(data: Any, found: list[GraphQLError] | None, context: Context) -> Answer:
    charged = {} if context.charge is None else {"extensions": {"cost": context.charge.shown()}}
    if not found:
        return Answer({"data": data, **charged}, context, refused=False)
    shown = errors.formatted(found, context.request_id, suggestions=context.introspection)
    refused = data is None and all(error.path is None for error in found)
    content = {"errors": shown} if refused else {"data": data, "errors": shown}
    return Answer({**content, **charged}, context, refused=refused, code=shown[0]["extensions"]["code"])


def _response(answer: Answer, media_type: str, limits: Mapping[str, str]) -> Response:
    """GraphQL over HTTP: a refused request is 400 in the newer media type, 200 in the older one."""
    status = HTTPStatus.OK
    if answer.refused:
        by_code = _STATUS_OF_CODE.get(answer.code) if answer.code else None
        status = by_code or (HTTPStatus.BAD_REQUEST if media_type == RESPONSE_JSON else HTTPStatus.OK)
    headers = {"idempotent-replayed": "true", **limits} if answer.context.replayed else limits
    return _json(answer.content, status, media_type, headers)


def _refusal(error: ApiError, request_id: str, media_type: str) -> Response:
    status = _STATUS.get(type(error)) or _STATUS_OF_CODE.get(error.code) or HTTPStatus.BAD_REQUEST
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "1"
    if isinstance(error, RateLimited):
        headers["retry-after"] = str(error.retry_after_seconds)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = "POST"
    if not isinstance(error, Forbidden):
        log.info("graphql.refused", request_id=request_id, code=error.code)
    return _json({"errors": [errors.bare(error, request_id)]}, status, media_type, headers)


def _json(
    content: dict[str, Any], status: HTTPStatus, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(content), status, dict(headers or {}), media_type=f"{media_type}; charset=utf-8")


def _media_type(accept: str | None) -> str:
    """The newer media type where it is asked for, else plain JSON."""
    return RESPONSE_JSON if accept is not None and RESPONSE_JSON in accept.lower() else PLAIN_JSON


def _wants_page(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return HTML in accept and not {"query", "documentId", "extensions"} & request.query_params.keys()


def _check_media_type(request: Request) -> None:
    sent = request.headers.get("content-type", "").partition(";")
    if sent[0].strip().lower() != PLAIN_JSON:
        raise WrongMediaType("Send the body as `Content-Type: application/json`.")
    charset = sent[2].strip().lower().removeprefix("charset=").strip('"')
    if sent[2].strip() and charset not in ("utf-8", "utf8"):
        raise WrongMediaType("Send the body in UTF-8.")


def _from_url(parameters: Mapping[str, str]) -> GraphQLRequest:
    parts: dict[str, Any] = {name: parameters.get(name) for name in ("query", "documentId")}
    parts["operationName"] = parameters.get("operationName")
    for name in ("variables", "extensions"):
        if parameters.get(name):
            parts[name] = variables_from_json(parameters[name])
    return request_from_parts(parts)
