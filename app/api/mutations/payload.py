"""What every mutation takes and answers."""

from typing import Any, Final

import strawberry

from app.api.types.user_error import UserError

EXPECTED_VERSION: Final = "Refuse with VERSION_CONFLICT where it is at another version."


@strawberry.input
class Rehearsable:
    """What every mutation's input bears."""

    dry_run: bool = strawberry.field(
        default=False, description="Answer exactly what the mutation would, and store nothing."
    )


@strawberry.input
class Change(Rehearsable):
    """What the input of a mutation bears that an idempotency key keeps from being done twice."""

    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "1 to 255 printable ASCII characters of your choice: the same key again within 7 days answers what it"
            " answered first. The Idempotency-Key header does the same where the document holds one mutation field."
        ),
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
