"""Who may use a root field: one scope for each, held by the principal's role; a denial is audited."""

from collections.abc import Mapping
from typing import Any, Final, cast

import strawberry
import structlog
from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from app.api.act import Act, action_of
from app.api.errors import Forbidden
from app.api.idempotency import KeyInProgress, Replayed, idempotency_key, replay
from app.api.tenancy import Context
from app.api.types.user_error import UserError
from app.domain.errors import NotAllowed, NotFound, Refusal
from app.store.connection import TRY_AGAIN
from app.store.idempotency import IdempotencyKey, InProgress, reserve
from app.store.tables.audit import AuditOutcome
from app.store.tenancy import WriteTransaction

log = structlog.get_logger(__name__)

ATTEMPTS_MAX: Final = 3


class Reads(FieldExtension):
    """A query field that needs a scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def resolve_async(
        self, next_: AsyncExtensionResolver, source: Any, info: strawberry.Info, **kwargs: Any
    ) -> Any:
        """Resolve the field, or deny it."""
        self.admit(info.context, kwargs)
        return await next_(source, info, **kwargs)

    def admit(self, context: Context, arguments: Mapping[str, Any]) -> None:
        """All that this does where the field is resolved. Raises Forbidden."""
        require(context, self.scope, arguments)


class Writes(FieldExtension):
    """A mutation field that needs a scope, and runs in one transaction that its payload is read in.

    The transaction ends when the payload is complete (see `execution/executor.py`): it is kept, or undone where the
    rules refused or `dryRun` was asked for. A refusal becomes `userErrors`.
    """

    def __init__(self, scope: str, *, whatever_status: bool = False) -> None:
        """`whatever_status`: in a suspended or archived organization too, as for taking access away."""
        self.scope = scope
        self.whatever_status = whatever_status

    def apply(self, field: StrawberryField) -> None:
        """Describe the one argument that every mutation has by what it takes."""
        for argument in field.arguments:
            argument.description = cast("Any", argument.type).__strawberry_definition__.description

    async def resolve_async(
        self, next_: AsyncExtensionResolver, source: Any, info: strawberry.Info, **kwargs: Any
    ) -> Any:
        """Resolve the field inside a transaction; where PostgreSQL asks to try again, do so a few times."""
        context: Context = info.context
        context.forget_loaded()
        arguments = vars(kwargs["input"])
        require(context, self.scope, arguments)
        context.attempted = Act(action_of(self.scope), AuditOutcome.FAILED).about(arguments)
        context.dry_run = kwargs["input"].dry_run
        context.refused = False
        context.reserved_key = None
        key = None if context.dry_run else idempotency_key(context, info.field_name, kwargs["input"])
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                if not self.whatever_status:
                    context.tenant.principal.check_may_change()
                tx = await context.db.hold_write(whatever_status=self.whatever_status)
                if key is not None:
                    await _take(context, tx, key)
                return await next_(source, info, **kwargs)
            except Refusal as refusal:
                context.refused = context.was_refused = True
                if isinstance(refusal, NotFound) and not context.dry_run:
                    _witness_not_found(context, self.scope, refusal, arguments)
                return cast("Any", info.return_type)(user_errors=[UserError.of(refusal)])
            except NotAllowed as error:
                context.witness(Act.denied(action_of(self.scope), error.message).about(arguments))
                raise Forbidden(error.message) from error
            except TRY_AGAIN:
                await context.abandon()
                context.forget_loaded()
                if attempt == ATTEMPTS_MAX:
                    raise
        raise AssertionError("unreachable")


async def _take(context: Context, tx: WriteTransaction, key: IdempotencyKey) -> None:
    """Go on where the key is new. Raises Replayed with the first answer, KeyReused, KeyInProgress."""
    try:
        first = await reserve(tx, key)
    except InProgress as error:
        raise KeyInProgress("The first request with this idempotency key has not ended: try again.") from error
    if first is not None:
        raise Replayed(replay(first, key))
    context.reserved_key = key


def _witness_not_found(context: Context, scope: str, refusal: NotFound, arguments: Mapping[str, Any]) -> None:
    """An id that the organization has no record of is a denial, also where another has one (M39)."""
    named = {name: value for name, value in arguments.items() if to_camel_case(name) in refusal.path[:1]}
    act = Act.denied(action_of(scope), refusal.message).about(named)
    if act.record_id is not None:
        context.witness(act)


def require(context: Context, scope: str, arguments: Mapping[str, Any]) -> None:
    """Go on where the principal holds the scope. Raises Forbidden; the denial is audited as the operation ends.

    The arguments say which record was meant.
    """
    tenant = context.tenant
    if tenant.may(scope):
        return
    context.witness(Act.lacking(scope).about(arguments))
    raise Forbidden(f"The role {tenant.principal.role} does not hold {scope}.")
