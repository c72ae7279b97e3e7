"""POST /usage: events of any number in one body, stored chunk by chunk as they come in, each chunk once for all.

An event is acknowledged by the answer's counts. Where the body, the connection or the database breaks off, what was
stored until then stays: whoever sends everything again adds nothing twice.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from app.settings import Settings
from app.web.door import BadRequest, Door, WrongMediaType
from app.web.event import Read, event_from_cloud_event, event_from_line
from app.web.intake import Intake, Parts
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

    def __init__(self, settings: Settings, door: Door) -> None:
        self._door = door
        self._seconds = settings.usage_chunk_seconds_max
        self._in_hand = InHand(settings.usage_requests_max, settings.organization_usage_requests_max)
        self._turns = Turns(max(1, settings.pool_size // 3), settings.usage_chunk_seconds_max)

    async def __call__(self, request: Request) -> Response:
        """Store the body's events and answer what became of them; with the error that ended it early, if one did."""
        request_id: str = request.state.request_id
        tally = Tally()
        started = time.perf_counter()
        failure: Exception | None = None
        try:
            await self._take(request, request_id, tally)
        except Exception as error:  # noqa: BLE001 - told by the answer, or masked and logged
            failure = error
        log.info(
            "usage.answered",
            request_id=request_id,
            milliseconds=round((time.perf_counter() - started) * 1000, 2),
            code=None if failure is None else type(failure).__name__,
        )
        if failure is None:
            return Response(tally.answer(), media_type=JSON)
        return self._failed(failure, request_id, tally)

    async def _take(self, request: Request, request_id: str, tally: Tally) -> None:
        cutter, read = _form_of(request)
        db = await self._door.enter(request.headers, request_id, SCOPE)
        with self._in_hand.one_more(db.organization_id), self._turns.of(db.organization_id) as turn:
            intake = Intake(db, self._door, turn, cutter, read, tally)
            parts = Parts(request)
            try:
                while not parts.ended:
                    part = await parts.next(self._seconds)
                    await (intake.pause() if part is None else intake.take(part))
                await intake.end()
            finally:
                await intake.leave()
                await parts.leave()

    def _failed(self, error: Exception, request_id: str, tally: Tally) -> Response:
        """The connection is closed: nobody reads what is left of the body."""
        if isinstance(error, BadRequest):
            status, headers = int(error.status), error.headers
            told: Mapping[str, Any] = {
                "message": error.message,
                "extensions": {"code": error.code, "requestId": request_id},
            }
        else:
            status, headers, told = self._door.refusal(error, request_id)
        headers = {**headers, "connection": "close"}
        return Response(tally.answer({"errors": [told]}), status, headers, media_type=JSON)


def _form_of(request: Request) -> tuple[Cutter, Read]:
    """How the body is cut, and how each event of it is read. Raises WrongMediaType."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMS:
        raise WrongMediaType(f"Send the events as `Content-Type: {NDJSON}` or `{CLOUD_EVENTS}`.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongMediaType("Send the events uncompressed.")
    cutter, read = _FORMS[kind]
    return cutter(), read
