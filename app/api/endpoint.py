"""/graphql over HTTP: reads the request, finds its tenant, executes, answers; and GraphiQL for a browser."""

import time
from collections.abc import Awaitable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import orjson
import structlog
from graphql import GraphQLError
from starlette.types import Receive, Scope, Send
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType as StrawberryOperationType

from app.api import errors
from app.api.authentication import Authenticator
from app.api.charge import Till
from app.api.documents import Documents, PersistedQueryNotFound
from app.api.errors import ApiError, BadUserInput, ErrorCode, Forbidden, Overloaded, RateLimited
from app.api.exchange import Headers, Received, Reply
from app.api.graphiql import CONTENT_SECURITY_POLICY
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
from app.api.patience import HungUp, LookOut, Patience
from app.api.schema import schema
from app.api.tenancy import Context, Tenant
from app.api.turnstile import Turnstile
from app.logs import note, say
from app.settings import Settings
from app.store.connection import Unavailable
from app.store.memory import EntitlementMemory
from app.store.tenancy import Database

log = structlog.get_logger(__name__)

_NEWER: Final = "application/graphql-response+json"
_OLDER: Final = "application/json"
RESPONSE_JSON: Final = f"{_NEWER}; charset=utf-8".encode()
PLAIN_JSON: Final = f"{_OLDER}; charset=utf-8".encode()
HTML: Final = "text/html"

_SAFE: Final = frozenset({"GET", "HEAD"})
"""The methods that change nothing: a HEAD is a GET whose answer is cut off."""
_TAKEN: Final = _SAFE | {"POST"}

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


class Answer(NamedTuple):
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
        self._look_out = LookOut(body_seconds=settings.body_seconds_max, answer_seconds=settings.execution_seconds_max)
        self._settings = settings
        self._cursor_secret = settings.cursor_secret.get_secret_value()
        self._api_key_pepper = settings.api_key_pepper.get_secret_value()
        self._database = database
        self._authenticator = authenticator
        self._documents = documents
        self._page = None if page is None else _page(page)
        self._observers = observers
        self._entitlements = entitlements

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; whatever happens, as JSON with a code and the request's id."""
        reply = await self._reply(Received(scope, receive))
        await send(reply.head())
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, request: Received) -> Reply:
        if self._page is not None and request.method in _SAFE and _wants_page(request):
            return self._page
        media_type = _media_type(request.headers.get("accept"))
        if request.method not in _TAKEN:
            return _refusal(_WrongMethod("This method is not served here."), request.request_id, media_type)
        started = time.perf_counter()
        seen = Seen()
        try:
            answer = await self._answer(request, seen)
        except ApiError as error:
            self._tell(seen, error.code, started)
            return _refusal(error, request.request_id, media_type)
        except Unavailable as error:
            self._tell(seen, ErrorCode.OVERLOADED, started)
            return _refusal(Overloaded(errors.code_and_message(error)[1]), request.request_id, media_type)
        except HungUp:
            self._tell(seen, HUNG_UP, started)
            log.info("graphql.hung_up", request_id=request.request_id)
            return Reply(_CLIENT_CLOSED, b"", ())
        except Exception:
            self._tell(seen, ErrorCode.INTERNAL, started)
            raise
        milliseconds = round((time.perf_counter() - started) * 1000, 2)
        say(
            "graphql.answered",
            {"milliseconds": milliseconds, "code": answer.code, "planning": answer.context.planning},
        )
        self._tell(seen, answer.code, started)
        return _reply(answer, media_type, self._till.headers(answer.context.charge))

    def _tell(self, seen: Seen, code: str | None, started: float) -> None:
        """Tell whoever counts or traces requests what became of one."""
        if self._observers:
            refused = seen.context is not None and seen.context.was_refused
            told = code or (REFUSED if refused else OK)
            for observer in self._observers:
                observer.answered(seen, told, time.perf_counter() - started)

    async def _answer(self, request: Received, seen: Seen) -> Answer:
        tenant = seen.tenant = await self._authenticator.tenant(request.headers, request.request_id)
        for observer in self._observers:
            observer.entered(tenant)
        note(organization_id=type_id(ORGANIZATION, tenant.organization_id))
        with Patience(request.receive, self._look_out) as patience:
            body = None if request.method in _SAFE else await self._body(request)
            patience.read()
            # Only now, so that a slow client takes nobody's place.
            if not self._turnstile.enter_at_once(tenant.organization_id):
                await self._turnstile.enter(tenant.organization_id)
            try:
                patience.answered()
                given = _from_url(request.parameters) if body is None else request_from_json(body)
                if given.document_id or given.document_hash or tenant.principal.trusted_documents_only:
                    text = await self._documents.text_of(given, tenant, request.request_id)
                    given = given._replace(query=text)
                self._check_size(body, given)
                context = seen.context = self._context(request, given, tenant)
                answer = await self._execute(given, context, read_only=body is None)
                if not answer.refused:
                    self._documents.remember(given, tenant)
            finally:
                self._turnstile.leave(tenant.organization_id)
        return answer

    def _body(self, request: Received) -> Awaitable[bytes]:
        _check_media_type(request.headers.get("content-type", ""))
        declared = request.headers.get("content-length", "")
        return body_of(request.receive, declared, bytes_max=self._settings.usage_body_bytes_max)

    def _check_size(self, body: bytes | None, given: GraphQLRequest) -> None:
        if body is not None and len(body) > self._settings.body_bytes_max and "usageRecord" not in given.query:
            raise TooLarge(f"The request is larger than {self._settings.body_bytes_max:,} bytes.")

    def _context(self, request: Received, given: GraphQLRequest, tenant: Tenant) -> Context:
        return Context(
            request_id=request.request_id,
            database=self._database,
            entitlements=self._entitlements,
            cursor_secret=self._cursor_secret,
            api_key_pepper=self._api_key_pepper,
            document=given.query,
            idempotency_header=request.headers.get("idempotency-key"),
            given_tenant=tenant,
            till=self._till,
            introspection=self._settings.introspection,
            planner=self._settings.planner,
        )

    async def _execute(self, given: GraphQLRequest, context: Context, *, read_only: bool) -> Answer:
        try:
            result = await schema.execute(
                given.query,
                variable_values=given.variables,
                operation_name=given.operation_name,
                context_value=context,
                allowed_operation_types=_READS if read_only else _ALL,
            )
        except InvalidOperationTypeError as error:
            if error.operation_type is StrawberryOperationType.MUTATION:
                raise _OnlyPost("Send a mutation by POST.") from error
            raise BadUserInput("Send a query or a mutation: subscriptions are not served here.") from error
        except CannotGetOperationTypeError as error:
            raise BadUserInput(error.as_http_error_reason()) from error
        return _answer_of(result.data, result.errors, context)


class _OnlyPost(BadUserInput):
    """A mutation came by GET."""


class _WrongMethod(BadUserInput):
    """Nothing is served by this method."""


_ALLOWED: Final[Mapping[type[ApiError], bytes]] = {_OnlyPost: b"POST", _WrongMethod: b"GET, HEAD, POST"}
_STATUS.update(dict.fromkeys(_ALLOWED, HTTPStatus.METHOD_NOT_ALLOWED))


def _page(page: str) -> Reply:
    return Reply(
        HTTPStatus.OK,
        page.encode(),
        (
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
            (b"cache-control", b"no-store"),
            (b"cross-origin-opener-policy", b"same-origin"),
        ),
    )


def _answer_of(data: Any, found: list[GraphQLError] | None, context: Context) -> Answer:
    charged = {} if context.charge is None else {"extensions": {"cost": context.charge.shown()}}
    if not found:
        return Answer({"data": data, **charged}, context, refused=False)
    shown = errors.formatted(found, context.request_id, suggestions=context.introspection)
    refused = data is None and all(error.path is None for error in found)
    content = {"errors": shown} if refused else {"data": data, "errors": shown}
    return Answer({**content, **charged}, context, refused=refused, code=shown[0]["extensions"]["code"])


def _reply(answer: Answer, media_type: bytes, limits: Headers) -> Reply:
    """GraphQL over HTTP: a refused request is 400 in the newer media type, 200 in the older one."""
    status = HTTPStatus.OK
    if answer.refused:
        by_code = _STATUS_OF_CODE.get(answer.code) if answer.code else None
        status = by_code or (HTTPStatus.BAD_REQUEST if media_type == RESPONSE_JSON else HTTPStatus.OK)
    headers = (*limits, (b"idempotent-replayed", b"true")) if answer.context.replayed else limits
    return _json(answer.content, status, media_type, headers)


def _refusal(error: ApiError, request_id: str, media_type: bytes) -> Reply:
    status = _STATUS.get(type(error)) or _STATUS_OF_CODE.get(error.code) or HTTPStatus.BAD_REQUEST
    headers: Headers = ()
    if status is HTTPStatus.UNAUTHORIZED:
        headers = ((b"www-authenticate", b"Bearer"),)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers = ((b"retry-after", b"1"),)
    if isinstance(error, RateLimited):
        headers = ((b"retry-after", str(error.retry_after_seconds).encode()),)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers = ((b"allow", _ALLOWED[type(error)]),)
    if not isinstance(error, Forbidden):
        log.info("graphql.refused", request_id=request_id, code=error.code)
    return _json({"errors": [errors.bare(error, request_id)]}, status, media_type, headers)


def _json(content: dict[str, Any], status: HTTPStatus, media_type: bytes, headers: Headers = ()) -> Reply:
    return Reply(status, orjson.dumps(content), ((b"content-type", media_type), *headers))


def _media_type(accept: str | None) -> bytes:
    """The newer media type where it is asked for, else plain JSON."""
    return RESPONSE_JSON if accept is not None and _NEWER in accept.lower() else PLAIN_JSON


def _wants_page(request: Received) -> bool:
    accept = request.headers.get("accept", "")
    return HTML in accept and not {"query", "documentId", "extensions"} & request.parameters.keys()


def _check_media_type(content_type: str) -> None:
    if content_type == _OLDER:
        return
    sent = content_type.partition(";")
    if sent[0].strip().lower() != _OLDER:
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
