"""Who asks."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.errors import InvalidState
from app.domain.role import SCOPES_OF, Role


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as the credential proves: `home` is the organization that the credential is of.

    `home_active` is false where that one is suspended or archived: then the principal reads, and changes nothing
    wherever it goes. With `trusted_documents_only` it may send no document that the organization does not trust.
    """

    kind: str
    id: UUID
    name: str
    role: Role
    home: UUID
    home_active: bool = True
    trusted_documents_only: bool = False

    @property
    def scopes(self) -> frozenset[str]:
        """What the principal's role may do."""
        return SCOPES_OF[self.role]

    def check_may_change(self) -> None:
        """Go on where the principal's own organization is active: a suspended one changes nothing in another either.

        Raises InvalidState.
        """
        if not self.home_active:
            raise InvalidState("The organization of this credential is suspended or archived: it can change nothing.")
