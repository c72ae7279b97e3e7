"""What every mutation takes and answers."""

from typing import Any

import strawberry

from app.api.types.user_error import UserError


@strawberry.input
class Change:
    """What every mutation's input bears."""

    dry_run: bool = strawberry.field(
        default=False, description="Answer exactly what the mutation would, and store nothing."
    )


@strawberry.type
class Payload:
    """What every mutation answers."""

    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was changed, if nothing was."
    )


def left_out(description: str) -> Any:
    """An input field that may be left out."""
    return strawberry.field(default=strawberry.UNSET, description=description)


def result(description: str) -> Any:
    """A payload's record; null where the rules refused."""
    return strawberry.field(default=None, description=description)
