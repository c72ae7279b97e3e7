"""POST /usage: events of any number in one body, stored chunk by chunk as they come in, each chunk once for all.

An event is acknowledged by the answer's counts. Where the body, the connection or the database breaks off, what was
stored until then stays: whoever sends everything again adds nothing twice.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.responses import Response

from app.settings import Settings
from app.web.door import BadRequest, Door, WrongMediaType
from app.web.event import Read, event_from_cloud_event, event_from_line
from app.web.intake import Intake, Parts
from app.web.observer import OK, Taken, UsageObserver
from app.web.piece import Cutter, Elements, Lines
from app.web.tally import Tally
from app.web.turn import InHand, Turns

log = structlog.get_logger(__name__)

NDJSON: Final = "application/x-ndjson"
CLOUD_EVENTS: Final = "application/cloudevents-batch+json"
SCOPE: Final = "usage:record"
JSON: Final = "application/json; charset=utf-8"

_FORMS: Final[Mapping[str, tuple[Callable[[], Cutter], Read]]] = {
    NDJSON: (Lines, event_from_line),
    CLOUD_EVENTS: (Elements, event_from_cloud_event),
}


class UsageEndpoint:
    """Serves one path, to a bounded number of callers at once."""

    def __init__(self, settings: Settings, door: Door, observers: Sequence[UsageObserver] = ()) -> None:
        self._door = door
        self._observers = observers
        self._seconds = settings.usage_chunk_seconds_max
        self._in_hand = InHand(settings.usage_requests_max, settings.organization_usage_requests_max)
        self._turns = Turns(max(1, settings.pool_size // 3), settings.usage_chunk_seconds_max)

    async def __call__(self, request: Request) -> Response:
        """Store the body's events and answer what became of them; with the error that ended it early, if one did."""
        body = _Body(request.state.request_id, Tally())
        started = time.perf_counter()
        failed: _Failed | None = None
        try:
            await self._take(request, body)
        except Exception as error:  # noqa: BLE001 - told by the answer, or masked and logged
            failed = self._failed(error, body.request_id)
        seconds = time.perf_counter() - started
        code = None if failed is None else failed.told["extensions"]["code"]
        log.info("usage.answered", request_id=body.request_id, milliseconds=round(seconds * 1000, 2), code=code)
        taken = Taken(body.request_id, body.organization_id, body.tally.counts)
        for observer in self._observers:
            observer.took(taken, code or OK, seconds)
        limits = {} if body.organization_id is None else self._door.limits(body.organization_id)
        if failed is None:
            return Response(body.tally.answer(), headers=dict(limits), media_type=JSON)
        # The connection is closed: nobody reads what is left of the body.
        headers = {**limits, **failed.headers, "connection": "close"}
        return Response(body.tally.answer({"errors": [failed.told]}), failed.status, headers, media_type=JSON)

    async def _take(self, request: Request, body: "_Body") -> None:
        cutter, read = _form_of(request)
        db = await self._door.enter(request.headers, body.request_id, SCOPE)
        body.organization_id = db.organization_id
        for observer in self._observers:
            observer.let_in(db.organization_id)
        with self._in_hand.one_more(db.organization_id), self._turns.of(db.organization_id) as turn:
            intake = Intake(db, self._door, turn, cutter, read, body.tally, self._seconds)
            parts = Parts(request)
            try:
                while not parts.ended:
                    part = await parts.next(self._seconds)
                    await (intake.pause() if part is None else intake.take(part))
                await intake.end()
            finally:
                await intake.leave()
                await parts.leave()

    def _failed(self, error: Exception, request_id: str) -> "_Failed":
        if isinstance(error, BadRequest):
            extensions = {"code": error.code, "requestId": request_id}
            return _Failed(int(error.status), error.headers, {"message": error.message, "extensions": extensions})
        return _Failed(*self._door.refusal(error, request_id))


@dataclass(slots=True)
class _Body:
    """A body that comes in: what became of it so far, and whose it is once that is known."""

    request_id: str
    tally: Tally
    organization_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Failed:
    """What ended a body early, as the answer bears it."""

    status: int
    headers: Mapping[str, str]
    told: Mapping[str, Any]


def _form_of(request: Request) -> tuple[Cutter, Read]:
    """How the body is cut, and how each event of it is read. Raises WrongMediaType."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMS:
        raise WrongMediaType(f"Send the events as `Content-Type: {NDJSON}` or `{CLOUD_EVENTS}`.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongMediaType("Send the events uncompressed.")
    cutter, read = _FORMS[kind]
    return cutter(), read
