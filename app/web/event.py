"""A usage event as it is written outside: ours, and CloudEvents 1.0. Read strictly, and refused in one sentence."""

import re
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec

from app.domain.written import parsed_decimal, parsed_instant, parsed_properties
from app.operations.usage.record import NewEvent
from app.web.door import Door

Read = Callable[[bytes, Door], NewEvent]
"""Reads an event's JSON text. Raises BadEvent."""


class BadEvent(Exception):
    """The text is no event. `event_id` is its sender's id, where that could be read."""

    def __init__(self, message: str, event_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.event_id = event_id


class _Event(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """The same names and the same rules as `UsageEventInput` of the GraphQL API."""

    event_id: str
    meter: str
    source: str = "api"
    customer_id: str | None = None
    external_customer_id: str | None = None
    subscription_id: str | None = None
    quantity: Any = 1
    occurred_at: Any = None
    properties: Any = None


class _Data(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    quantity: Any = 1
    properties: Any = None


class _CloudEvent(msgspec.Struct, gc=False):
    """Extension attributes are let by, as the specification asks."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: Any = None
    datacontenttype: str | None = None
    data: _Data | None = None
    data_base64: Any = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_CLOUD_EVENT: Final = msgspec.json.Decoder(_CloudEvent)


def event_from_line(line: bytes, door: Door) -> NewEvent:
    """An event in our own words. Raises BadEvent."""
    event = _decoded(_EVENT, line)
    return _event(
        event.event_id,
        event,
        source=event.source,
        meter=event.meter,
        customer_id=_id(door.customer_id, event.customer_id),
        external_customer_id=event.external_customer_id,
        subscription_id=_id(door.subscription_id, event.subscription_id),
        occurred_at=event.occurred_at,
    )


def event_from_cloud_event(element: bytes, _door: Door) -> NewEvent:
    """CloudEvents 1.0: `type` is the meter, `subject` the customer by the organization's own id. Raises BadEvent."""
    event = _decoded(_CLOUD_EVENT, element)
    problem = _no_cloud_event(event)
    if problem is not None:
        raise BadEvent(problem, event.id)
    return _event(
        event.id,
        event.data or _Data(),
        source=event.source,
        meter=event.type,
        customer_id=None,
        external_customer_id=event.subject,
        subscription_id=None,
        occurred_at=event.time,
    )


def _no_cloud_event(event: _CloudEvent) -> str | None:
    """Why the event is not one that is taken, or None where it is."""
    if event.specversion != "1.0":
        return 'Send CloudEvents of specversion "1.0".'
    if event.data_base64 is not None or not _is_json(event.datacontenttype):
        return "Send `data` as JSON: {quantity, properties}."
    return None


def _is_json(media_type: str | None) -> bool:
    if media_type is None:
        return True
    kind = media_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _decoded(decoder: msgspec.json.Decoder[Any], text: bytes) -> Any:
    if _NUL.search(text):
        raise BadEvent("Leave out NUL characters.", _event_id_in(text))
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvent(f"This is no event: {error}.", _event_id_in(text)) from error


def _event_id_in(text: bytes) -> str | None:
    """The sender's id of an event that is none otherwise, so that the sender finds it."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    named = found.get("eventId", found.get("id")) if isinstance(found, dict) else None
    return named if isinstance(named, str) else None


def _event(event_id: str, measured: _Event | _Data, *, occurred_at: Any, **named: Any) -> NewEvent:
    properties = measured.properties
    try:
        return NewEvent(
            event_id=event_id,
            quantity=parsed_decimal(measured.quantity),
            occurred_at=None if occurred_at is None else parsed_instant(occurred_at),
            properties=None if properties is None else parsed_properties(properties),
            **named,
        )
    except ValueError as error:
        raise BadEvent(str(error), event_id) from error


def _id(find: Callable[[str], UUID], text: str | None) -> UUID | None:
    return None if text is None else find(text)


_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""A character that JSON can write and PostgreSQL cannot hold: written so, since JSON takes it in no other way."""
