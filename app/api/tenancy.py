"""The tenant of a request: resolved before anything executes, and injected into every resolver by `Info`."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import strawberry
from graphql import OperationDefinitionNode
from strawberry.extensions import SchemaExtension

from app.api.act import Act, actor_of, record_acts
from app.api.credential.principal import Principal
from app.api.errors import ErrorCode, TenantRequired, code_and_message
from app.domain.role import WATCHED
from app.store.idempotency import IdempotencyKey, keep_answer
from app.store.memory import FORGETFUL, EntitlementMemory
from app.store.query import Columns
from app.store.tables.audit import AuditOutcome
from app.store.tenancy import Actor, Database, TenantDatabase

if TYPE_CHECKING:
    from app.api.charge import Charge, Till
    from app.api.loaders.loader import Loaders


class Tenant(NamedTuple):
    """The active organization and who acts inside it."""

    organization_id: UUID
    principal: Principal

    def may(self, scope: str) -> bool:
        """Whether the principal's role holds the scope."""
        return scope in self.principal.scopes


class Planning(StrEnum):
    """How a query was answered: by its plan, by graphql-core since it has none, or by both since the plan failed."""

    PLANNED = "planned"
    DECLINED = "declined"
    REPEATED = "repeated"


@dataclass
class Context:
    """What a request carries to its resolvers. Everything that reaches the database goes through `db`."""

    request_id: str
    database: Database
    cursor_secret: str
    api_key_pepper: str
    entitlements: EntitlementMemory = FORGETFUL
    document: str = ""
    idempotency_header: str | None = None
    given_tenant: Tenant | None = None
    introspection: bool = True
    till: "Till | None" = None
    planner: bool = True
    acts: dict[Act, None] = field(default_factory=dict, init=False)
    reading: Mapping[str, Columns] = field(default_factory=dict, init=False)
    # What most requests leave as it is, so that it costs them nothing.
    dry_run: bool = field(default=False, init=False)
    refused: bool = field(default=False, init=False)
    was_refused: bool = field(default=False, init=False)
    replayed: bool = field(default=False, init=False)
    root_fields: int = field(default=1, init=False)
    reserved_key: IdempotencyKey | None = field(default=None, init=False)
    attempted: Act | None = field(default=None, init=False)
    charge: "Charge | None" = field(default=None, init=False)
    planning: Planning | None = field(default=None, init=False)
    unplanned_because: str | None = field(default=None, init=False)
    operation: OperationDefinitionNode | None = field(default=None, init=False)
    document_known: Any = field(default=None, init=False)
    entered: bool = field(default=False, init=False)
    shared: bool = field(default=False, init=False)

    @cached_property
    def shown_once(self) -> set[str]:
        """Secrets that the first answer shows, and no repetition."""
        return set()

    @cached_property
    def revealed(self) -> set[str]:
        """Texts that the answer shows, and that are sealed where it is kept."""
        return set()

    @property
    def tenant(self) -> Tenant:
        """The tenant that this request runs inside. Raises TenantRequired where there is none."""
        if self.given_tenant is None or not self.entered:
            raise TenantRequired("This needs a credential.")
        return self.given_tenant

    @cached_property
    def actor(self) -> Actor:
        """The principal, for the audit record."""
        return actor_of(self.tenant.principal, self.request_id)

    @cached_property
    def db(self) -> TenantDatabase:
        """The database as the active organization sees it; what is held is released when the operation ends."""
        db = self.database.tenant(self.tenant.organization_id, self.actor)
        if self.shared:
            db.share()
        return db

    def share(self) -> None:
        """Know that many fields ask at once from now on, and that one of them may be cancelled by itself."""
        self.shared = True
        if "db" in self.__dict__:
            self.db.share()

    @cached_property
    def loaders(self) -> "Loaders":
        """The loaders of this request, for this organization, anew for each mutation field."""
        from app.api.loaders.loader import Loaders  # noqa: PLC0415 - loaders know the context

        return Loaders(self)

    @property
    def sees_drafts(self) -> bool:
        """Whether invoices that were never finalized are shown (E3)."""
        return self.tenant.may("invoice:draft")

    def columns(self, type_name: str, *always: str) -> Columns:
        """What the document reads of the rows of a type, and those attributes; None where it may be all."""
        read = self.reading.get(type_name)
        return None if read is None else read.union(always)

    def enter(self) -> None:
        """Enter the tenant. Raises TenantRequired where there is none."""
        if self.given_tenant is None:
            raise TenantRequired("This needs a credential.")
        self.entered = True

    def witness(self, act: Act) -> None:
        """Record an act as the operation ends, once, however often it happens meanwhile."""
        self.acts[act] = None

    def looked_at(self, record_type: str, record_id: UUID) -> None:
        """Record a look at one record, where the role's looks are recorded (A4)."""
        if self.tenant.principal.role in WATCHED:
            self.witness(Act(f"{record_type}.view", AuditOutcome.ALLOWED, None, record_type, record_id))

    def failed(self, error: BaseException) -> None:
        """Record that the mutation field that runs failed, where that is our fault; its message stays in the log."""
        if self.attempted is not None and not self.dry_run and code_and_message(error)[0] is ErrorCode.INTERNAL:
            self.witness(replace(self.attempted, reason=type(error).__name__))

    def forget_loaded(self) -> None:
        """Start with fresh loaders: something was written."""
        self.__dict__.pop("loaders", None)

    async def settle(self, answer: Any) -> None:
        """End what a mutation field did: keep it, or undo it where it was refused or a dry run.

        `answer` is the field's value, which an idempotency key keeps. Raises what the database refuses at the commit,
        also on a dry run.
        """
        if "db" not in self.__dict__:
            return
        if self.reserved_key is not None and not self.refused:
            held = self.db.held_write()
            kept = without(self.shown_once, answer) if self.shown_once else answer
            await keep_answer(held, self.reserved_key, kept, self.revealed)
        await self.db.release(commit=not self.refused, rehearse=self.dry_run and not self.refused)

    async def renew_broken(self) -> None:
        """End a snapshot that a failed statement broke: who asks next opens another."""
        if "db" in self.__dict__:
            await self.db.renew_broken()

    async def abandon(self) -> None:
        """Undo what is held, whatever happened."""
        if "db" in self.__dict__:
            await self.db.release(commit=False)

    def leave_at_once(self) -> bool:
        """Leave as `leave` does; False where something is held, or is to be recorded."""
        if "db" in self.__dict__ or self.acts:
            return False
        self.forget_loaded()
        self.entered = False
        return True

    async def leave(self) -> None:
        """Undo what is held, let nothing be opened that nobody would end, and record what was denied."""
        if not self.entered:
            return
        # Loaders know the context and hold what they loaded: a circle, which only the garbage collector would find.
        self.forget_loaded()
        if "db" in self.__dict__:
            await self.db.leave()
        if self.acts:
            await record_acts(self.database.tenant(self.tenant.organization_id, self.actor), list(self.acts))
        self.entered = False


class Info(strawberry.Info):
    """What every resolver is given: `info.context` knows the tenant, its loaders and its database."""

    @property
    def context(self) -> Context:
        """The request's context."""
        return self._raw_info.context


class TenantExtension(SchemaExtension):
    """Enters the tenant before an operation executes, and leaves nothing of it behind."""

    async def on_operation(self) -> AsyncIterator[None]:
        """Refuse an operation without a tenant; release its snapshot at the end."""
        context: Context = self.execution_context.context
        context.enter()
        try:
            yield
        finally:
            await context.leave()


def without(secrets: set[str], answer: Any) -> Any:
    """An answer with null wherever one of the secrets stands, by whatever name the document asked for it."""
    match answer:
        case dict():
            return {name: without(secrets, content) for name, content in answer.items()}
        case list():
            return [without(secrets, content) for content in answer]
        case str() if answer in secrets:
            return None
        case _:
            return answer
