"""A request over HTTP and the answer to it, as thin as they can be: the small queries of an application are many."""

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope

_LENGTH: Final = b"content-length"

Headers = tuple[tuple[bytes, bytes], ...]


class Received:
    """A request: its headers by their names in lower case, of one that is repeated the first."""

    __slots__ = ("_query", "headers", "method", "receive", "request_id")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.receive = receive
        self.request_id: str = scope["state"]["request_id"]
        self.headers: Mapping[str, str] = scope["state"]["headers"]
        self._query: bytes = scope["query_string"]

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of the URL; of one that is repeated the last."""
        return dict(parse_qsl(self._query.decode("latin-1"), keep_blank_values=True))


class Reply(NamedTuple):
    """An answer, whole."""

    status: int
    body: bytes
    headers: Headers

    def head(self) -> Message:
        """How it begins."""
        headers = [*self.headers, (_LENGTH, b"%d" % len(self.body))]
        return {"type": "http.response.start", "status": int(self.status), "headers": headers}
