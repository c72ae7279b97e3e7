"""Refusals as data."""

import strawberry

from app.domain.errors import Refusal, RefusalCode

strawberry.enum(RefusalCode, name="UserErrorCode", description="Why the business rules refused: for programs.")


@strawberry.type(description="A refusal of the business rules: data, not a transport failure.")
class UserError:
    """A refusal of the business rules."""

    code: RefusalCode = strawberry.field(description="Why, for programs.")
    message: str = strawberry.field(description="What is wrong and what to do, for people.")
    path: list[str] = strawberry.field(description='Where in the input: ["input", "events", "3", "quantity"].')

    @classmethod
    def of(cls, refusal: Refusal) -> "UserError":
        """The refusal as data."""
        return cls(code=refusal.code, message=refusal.message, path=["input", *refusal.path])
