"""Who is told of requests: what counts and traces them is put in by the process, and costs nothing where it is not."""

from dataclasses import dataclass
from typing import Final, Protocol

from graphql import FieldNode

from app.api.tenancy import Context, Tenant

NO_OPERATION: Final = ("none", "none")
"""The kind and the field of a request that never became an operation."""

MANY_FIELDS: Final = "many"

OK: Final = "OK"
REFUSED: Final = "REFUSED"
HUNG_UP: Final = "HUNG_UP"


@dataclass(slots=True)
class Seen:
    """What is known of a request: its tenant once it has one, its context once it became an operation."""

    tenant: Tenant | None = None
    context: Context | None = None

    @property
    def operation(self) -> tuple[str, str]:
        """Its kind and its root field: names of the schema alone, so that they are few whatever clients send."""
        operation = self.context.operation if self.context is not None else None
        if operation is None:
            return NO_OPERATION
        selections = operation.selection_set.selections
        first = selections[0]
        is_one = len(selections) == 1 and isinstance(first, FieldNode)
        return operation.operation.value, first.name.value if is_one else MANY_FIELDS


class Observer(Protocol):
    """Is told of each request; neither may raise, wait, or take long."""

    def entered(self, tenant: Tenant) -> None:
        """A credential was proved, and the request goes on inside this organization."""

    def answered(self, seen: Seen, code: str, seconds: float) -> None:
        """The answer is ready. `code` is OK, REFUSED where the rules said no, or that of the first error."""
