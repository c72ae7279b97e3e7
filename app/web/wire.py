"""Answers in one packet: what uvicorn writes of an answer, its head and its body, goes out together.

Each write to a socket is a system call that wakes the client. For a small answer two of them cost as much as a fifth of
all that the server does for it.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_BEGINNING = b"HTTP/1.1 "
_LENGTH = b"\r\ncontent-length: "


class Together:
    """A transport that holds the head of an answer whose length is known until its body comes, or the answer ends."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send it, after a head that is held; a head may wait."""
        if self._head is not None:
            self._transport.writelines((self._head, data))
            self._head = None
        elif data.startswith(_BEGINNING) and _LENGTH in data:
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Send a head that is held: nothing comes after it."""
        if self._head is not None:
            self._transport.write(self._head)
            self._head = None

    def close(self) -> None:
        """Close once all is sent."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HttpProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, over such a transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(cast("asyncio.Transport", Together(transport)))

    def on_response_complete(self) -> None:
        """Go on with the next request, once this one's answer is sent."""
        cast("Together", self.transport).flush()
        super().on_response_complete()
