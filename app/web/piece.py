"""A body of any length, cut into the JSON texts of its events as its bytes come in; no more than one is ever kept."""

import re
from collections.abc import Iterator
from typing import Final, Protocol

from app.web.door import BadRequest

PIECE_BYTES_MAX: Final = 64 * 1024
"""The longest event that is read; one that is longer is passed over."""

Piece = bytes | None
"""An event's JSON text; None where it was longer than is read."""


class Cutter(Protocol):
    """Takes a body's bytes as they come in and gives its events as they are complete."""

    def cut(self, part: bytes) -> Iterator[Piece]:
        """The events that are complete with this part. Raises BadRequest."""
        ...

    def end(self) -> Iterator[Piece]:
        """What the body's end completes. Raises BadRequest where it ended too early."""
        ...


class Lines:
    """NDJSON: an event in each line. Empty lines are none."""

    def __init__(self) -> None:
        self._begun = b""
        self._too_long = False

    def cut(self, part: bytes) -> Iterator[Piece]:
        """The lines that are complete with this part."""
        first, *others = part.split(b"\n")
        self._begun += first[: PIECE_BYTES_MAX + 1] if not self._too_long else b""
        for following in others:
            yield from self.end()
            self._begun = following[: PIECE_BYTES_MAX + 1]
        if len(self._begun) > PIECE_BYTES_MAX:
            self._begun, self._too_long = b"", True

    def end(self) -> Iterator[Piece]:
        """The last line, which needs no line feed."""
        line, too_long = self._begun, self._too_long or len(self._begun) > PIECE_BYTES_MAX
        self._begun, self._too_long = b"", False
        if too_long:
            yield None
        elif line and not line.isspace():
            yield line


_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)
"""What gives a JSON text its shape. Strings are taken whole, so that nothing in them is; a `"` alone is one begun."""

_QUOTE: Final = ord('"')
_OPENING: Final = b"{["
_NO_ARRAY: Final = "Send a JSON array of events, each an object."


class Elements:
    """A JSON array: an event in each element. It is cut at its brackets; what is between them is not looked at."""

    def __init__(self) -> None:
        self._rest = b""
        self._scanned = 0
        self._depth = 0
        self._allowed = {b"": b"["}
        """By what stands before it, which bracket may come next outside of an element."""

    def cut(self, part: bytes) -> Iterator[Piece]:
        """The elements that are complete with this part. Raises BadRequest."""
        text = self._rest + part
        begins, scanned = 0, len(text)
        for token in _TOKEN.finditer(text, self._scanned):
            place, end = token.span()
            if text[place] == _QUOTE:
                if self._depth < 2:
                    raise BadRequest(_NO_ARRAY)
                if end == place + 1:
                    scanned = place
                    break
                continue
            if self._depth < 2:
                self._go_on(text[begins:place], text[place:end])
                begins = place if text[place:end] == b"{" else end
            self._depth += 1 if text[place] in _OPENING else -1
            if self._depth == 1 and begins < place:
                yield text[begins:end]
                begins = end
        if self._depth < 2:
            self._rest = text[begins:].strip()
            self._scanned = len(self._rest)
        else:
            self._rest, self._scanned = text[begins:], scanned - begins
        if len(self._rest) > PIECE_BYTES_MAX:
            raise BadRequest(f"An event has at most {PIECE_BYTES_MAX:,} bytes.")

    def _go_on(self, before: bytes, bracket: bytes) -> None:
        """Take a bracket outside of an element, if it may stand there after what is before it."""
        if bracket not in self._allowed.get(before.strip(), ()):
            raise BadRequest(_NO_ARRAY)
        match bracket:
            case b"[":
                self._allowed = {b"": b"{]"}
            case b"{":
                self._allowed = {b",": b"{", b"": b"]"}
            case _:
                self._allowed = {}

    def end(self) -> Iterator[Piece]:
        """Nothing more. Raises BadRequest where the array has not ended, or goes on after its end."""
        if self._allowed or self._rest:
            raise BadRequest("The array of events did not end where the body did.")
        yield from ()
