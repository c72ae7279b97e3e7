"""What became of the events of a body: counted all, and told one by one where they were not accepted, within bounds."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.domain.usage import UsageVerdict
from app.operations.usage.record import Result

TOLD_BYTES_MAX: Final = 512 * 1024
"""How much may be told of each verdict; of what goes beyond, the answer says how many there were."""

EVENT_ID_MAX: Final = 255

_NAMES: Final = {
    UsageVerdict.ACCEPTED: "accepted",
    UsageVerdict.DUPLICATE: "duplicates",
    UsageVerdict.UNMATCHED: "unmatched",
    UsageVerdict.REJECTED: "rejected",
}


class Tally:
    """Counts without end in memory that has one."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(UsageVerdict, 0)
        self._told: list[tuple[int, bytes]] = []
        self._bytes = dict.fromkeys(UsageVerdict, 0)
        self._omitted = dict.fromkeys(UsageVerdict, 0)

    def add(self, index: int, event_id: str | None, result: Result) -> None:
        """Count the event with that place in the body, and tell of it unless it was accepted."""
        self._counts[result.verdict] += 1
        if result.verdict is UsageVerdict.ACCEPTED:
            return
        if self._bytes[result.verdict] >= TOLD_BYTES_MAX:
            self._omitted[result.verdict] += 1
            return
        told = orjson.dumps(
            {
                "index": index,
                "eventId": None if event_id is None else event_id[:EVENT_ID_MAX],
                "verdict": result.verdict,
                "message": result.message,
            }
        )
        self._told.append((index, told))
        self._bytes[result.verdict] += len(told)

    @property
    def counts(self) -> Mapping[UsageVerdict, int]:
        """How many events came to each verdict so far."""
        return self._counts

    def answer(self, beside: Mapping[str, Any] | None = None) -> bytes:
        """The counts, what is told, and how much is not, as JSON: with `beside` before them, where something failed."""
        content = {
            **(beside or {}),
            **{name: self._counts[verdict] for verdict, name in _NAMES.items()},
            "results": [orjson.Fragment(told) for _, told in sorted(self._told)],
            "omitted": {
                name: self._omitted[verdict] for verdict, name in _NAMES.items() if verdict is not UsageVerdict.ACCEPTED
            },
        }
        return orjson.dumps(content)
