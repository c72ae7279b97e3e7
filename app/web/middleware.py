"""What every answer bears: the request's id, and headers that browsers obey. What escapes becomes a masked 500."""

import re
from typing import Final

import orjson
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send
from uuid_utils import uuid7

from app.logs import begin_notes
from app.web.wire import Sender

log = structlog.get_logger(__name__)

_REQUEST_ID: Final = "x-request-id"
_BEARS_ID: Final = _REQUEST_ID.encode()
_ACCEPTABLE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}\Z")
_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]


class RequestIdMiddleware:
    """Gives each request an id (the client's own where it is a plain one) and each answer the shared headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its `request_id` and its `headers` by their names in `request.state`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        request_id = _request_id(headers.get(_REQUEST_ID))
        scope.setdefault("state", {}).update(headers=headers, request_id=request_id)
        sender = Sender(send, [*_HEADERS, (_BEARS_ID, request_id.encode())])
        begin_notes(request_id=request_id)
        try:
            await self._app(scope, receive, sender.send)
        except Exception:
            log.exception("request.failed", request_id=request_id, path=scope["path"])
            if sender.started:
                raise
            await _masked(sender.send, request_id)


def _request_id(given: str | None) -> str:
    return given if given is not None and _ACCEPTABLE.match(given) else f"req_{uuid7().hex}"


async def _masked(send: Send, request_id: str) -> None:
    error = {"message": "Internal error.", "extensions": {"code": "INTERNAL", "requestId": request_id}}
    body = orjson.dumps({"errors": [error]})
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
