"""Who is told of bodies of usage, as others are of GraphQL requests; nobody is unless the process puts somebody in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from app.domain.usage import UsageVerdict

OK: Final = "OK"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request: whose it is, where that was found out, and how many events came to which verdict."""

    request_id: str
    organization_id: UUID | None
    events: Mapping[UsageVerdict, int]


class UsageObserver(Protocol):
    """Is told of each request; neither may raise, wait, or take long."""

    def let_in(self, organization_id: UUID) -> None:
        """A credential was proved, and the body is read inside this organization."""

    def took(self, taken: Taken, code: str, seconds: float) -> None:
        """The answer is ready. `code` is OK, or that of what ended the body early."""
