"""How answers go out: the head and the body in one piece, and those that are ready together at once.

uvicorn writes a head and its body one after the other, and looks at each header by itself. Each write is a system call,
and most wake the client: for a small answer that is a fourth of all that the server does.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import structlog
from starlette.types import Message, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

log = structlog.get_logger(__name__)

_CONTROLS: Final = bytes({*range(32), 127} - {9})
"""What may stand in no header, or it would end there and another begin."""
_UNUSUAL: Final = frozenset({b"connection", b"transfer-encoding"})

_ROUND_SECONDS: Final = 0.001
"""How long an answer waits for others, where what else is ready in the loop's round takes longer."""


class Outbox:
    """Answers that wait for the end of the loop's round in which they were made, so that the client wakes up once."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Any, Any, bytes]] = []
        self._since = 0.0

    def add(self, cycle: Any, answer: bytes) -> None:
        """Send an answer soon."""
        now = time.monotonic()
        if not self._waiting:
            self._since = now
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append((cycle, cycle.on_response, answer))
        if now - self._since > _ROUND_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what waits; only then may the next answer on the same connection begin."""
        waiting, self._waiting = self._waiting, []
        for cycle, on_response, answer in waiting:
            try:
                if not cycle.transport.is_closing():
                    cycle.transport.write(answer)
                cycle.message_event.set()
                on_response()
            except Exception:  # whatever is wrong with one connection, the others get their answers
                log.exception("answer.unsent")
                cycle.transport.abort()


class HttpProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it. The connections of a server share an outbox."""

    server_state: ServerState

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.outbox: Outbox = self.server_state.__dict__.setdefault("outbox", Outbox())

    def shutdown(self) -> None:
        """End with the answer that is under way, or now."""
        self.outbox.flush()
        super().shutdown()


class Sender:
    """Sends an answer with headers of its own added; one that begins is held until its body comes.

    What is whole then leaves by the outbox, where `send` is that of such a protocol; all else goes by `send`.
    """

    __slots__ = ("_bears", "_begun", "_cycle", "_outbox", "_send", "started")

    def __init__(self, send: Send, bears: Sequence[tuple[bytes, bytes]]) -> None:
        self.started = False
        self._send = send
        self._bears = bears
        self._begun: Message | None = None
        self._cycle: Any = getattr(send, "__self__", None)
        protocol = getattr(getattr(self._cycle, "on_response", None), "__self__", None)
        self._outbox = protocol.outbox if isinstance(protocol, HttpProtocol) else None

    async def send(self, message: Message) -> None:
        """Take a part of an answer. `started` once there is no other answer to be given any more."""
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *self._bears]
            if self._outbox is not None and not self._cycle.response_started:
                self._begun = message
                return
        self.started = True
        begun, self._begun = self._begun, None
        if begun is not None and self._outbox is not None:
            answer = _whole(self._cycle, begun, message)
            if answer is not None:
                self._cycle.response_started = self._cycle.response_complete = True
                self._cycle.waiting_for_100_continue = False
                self._outbox.add(self._cycle, answer)
                return
            await self._send(begun)
        await self._send(message)


def _whole(cycle: Any, begun: Message, message: Message) -> bytes | None:
    """An answer as it goes over the wire, where that is all of it; None where anything about it is unusual."""
    headers = [*cycle.default_headers, *begun["headers"]]
    named = dict(headers)
    body = message.get("body", b"")
    if (
        message.get("more_body", False)
        or named.get(b"content-length") != b"%d" % len(body)
        or not named.keys().isdisjoint(_UNUSUAL)
        or cycle.scope["method"] == "HEAD"
        or not cycle.keep_alive
        or cycle.disconnected
        or cycle.access_log
        or cycle.flow.write_paused
    ):
        return None
    lines = [STATUS_LINE[begun["status"]], *[b"%b: %b\r\n" % header for header in headers], b"\r\n"]
    head = b"".join(lines)
    is_clean = len(head) - len(head.translate(None, _CONTROLS)) == 2 * len(lines)
    return head + body if is_clean else None
