"""The wall: the only place that opens a transaction on business tables, and always inside one organization.

Each transaction sets `app.organization_id` for itself alone, so nothing of a tenant stays on a pooled connection;
row security lets it see and write that organization's rows and raises where no organization is set.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

from app.domain.errors import AlreadyExists
from app.store.audit import seal
from app.store.connection import ConnectionPool, Unavailable
from app.store.query import Query, Relation, new_id
from app.store.tables import Organization
from app.store.tenant import Actor, News
from app.store.transaction import Transaction, WriteTransaction
from app.store.vault.vault import Vault

organizations = Relation(Organization)

_EXISTS: Final = Query("select true from organizations where organization_id = :organization_id")


AfterCommit = Callable[[frozenset[News]], None]
"""Told what a transaction changed once it is committed, or may be; it neither waits nor raises."""


class CommitLost(Exception):
    """The transaction was rolled back by PostgreSQL where it should have been committed."""


Opened = TypeVar("Opened", bound=Transaction)


class TenantDatabase:
    """The database as one organization sees it, on behalf of one actor.

    `read` and `write` open a transaction of their own, unless one is held: then all that happens meanwhile happens
    inside it. A GraphQL query holds one snapshot; a mutation field holds one transaction, so that its payload is read
    before it is committed, or rolled back where it is a dry run.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        organization_id: UUID,
        actor: Actor,
        at: datetime | None = None,
        after_commit: AfterCommit | None = None,
        vault: Vault | None = None,
    ) -> None:
        """`at` stands in for the tenant's clock: for telling a story of the past, as the demo data does."""
        self.organization_id = organization_id
        self.actor = actor
        self._pool = pool
        self._at = at
        self._after_commit = after_commit
        self._vault = vault
        self._held: Transaction | None = None
        self._left = False
        self._shared = False
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Transaction]:
        """See one snapshot: repeatable read, read only."""
        if self._held is not None:
            yield self._held
            return
        transaction = await self._open_snapshot()
        try:
            yield transaction
        finally:
            await self._close(transaction, commit=False)

    @asynccontextmanager
    async def write(self, *, whatever_status: bool = False) -> AsyncGenerator[WriteTransaction]:
        """Commit at the end, or undo everything where it raises.

        Raises Unavailable, and InvalidState where the organization is suspended or archived and that is to matter.
        """
        if self._held is not None:
            held = self.held_write()
            async with held.savepoint():
                yield held
            return
        transaction = await self._open_write(whatever_status=whatever_status)
        try:
            yield transaction
            await seal(transaction)
        except BaseException:
            await self._close(transaction, commit=False)
            raise
        await self._close(transaction, commit=True)

    async def snapshot(self) -> Transaction:
        """Give the held transaction; where none is held, open a snapshot and hold it until `release`."""
        if self._held is None:
            async with self._opening:
                if self._held is None:
                    self._held = await self._kept(await self._open_snapshot())
                    self._held.shared = self._shared
        return self._held

    def share(self) -> None:
        """Know that many ask of the snapshot at once from now on, and that one of them may be cancelled by itself."""
        self._shared = True
        if self._held is not None:
            self._held.shared = True

    async def renew_broken(self) -> None:
        """End a snapshot that a failed statement broke: who asks next opens another."""
        if self._held is not None and self._held.broken and not isinstance(self._held, WriteTransaction):
            await self.release(commit=False)

    async def hold_write(self, *, whatever_status: bool = False) -> WriteTransaction:
        """Open a write transaction, as `write` does, and hold it until `release`."""
        if self._held is not None:
            raise AssertionError("A transaction is held already.")
        transaction = await self._open_write(whatever_status=whatever_status)
        self._held = await self._kept(transaction)
        return transaction

    def held_write(self) -> WriteTransaction:
        """The write transaction that is held."""
        if not isinstance(self._held, WriteTransaction):
            raise AssertionError("No write transaction is held.")
        return self._held

    async def release(self, *, commit: bool, rehearse: bool = False) -> None:
        """End the held transaction, if there is one; `rehearse` checks what a commit would check, then undoes it.

        Raises CommitLost where PostgreSQL rolled a commit back, and what it refuses at the commit.
        """
        held, self._held = self._held, None
        if held is None:
            return
        try:
            if rehearse and isinstance(held, WriteTransaction):
                await held.check_deferred()
            elif commit and isinstance(held, WriteTransaction):
                await seal(held)
        except BaseException:
            await self._close(held, commit=False)
            raise
        await self._close(held, commit=commit and not rehearse)

    async def leave(self) -> None:
        """Undo what is held and open nothing again: whoever still asks, after an answer went out, asks in vain."""
        self._left = True
        await self.release(commit=False)

    async def _open_snapshot(self) -> Transaction:
        self._check_not_left()
        opened_ns = time.monotonic_ns()
        connection = await self._pool.begin(self.organization_id, write=False)
        return Transaction(connection, self.organization_id, self.actor, opened_ns, self._vault)

    async def _open_write(self, *, whatever_status: bool) -> WriteTransaction:
        self._check_not_left()
        connection = await self._pool.begin(self.organization_id, write=True)
        news: set[News] | None = None if self._after_commit is None else set()
        transaction = WriteTransaction(connection, self.organization_id, self.actor, self._at, news, self._vault)
        try:
            await transaction.learn_facts(whatever_status=whatever_status)
        except BaseException:
            await self._close(transaction, commit=False)
            raise
        return transaction

    async def _kept(self, opened: Opened) -> Opened:
        """The transaction, to be held; one that opened while the request was left is ended, for nobody else would."""
        if self._left:
            await self._close(opened, commit=False)
            self._check_not_left()
        return opened

    def _check_not_left(self) -> None:
        if self._left:
            raise Unavailable("The request is over.")

    async def _close(self, transaction: Transaction, *, commit: bool) -> None:
        try:
            status = await self._pool.end(await transaction.turn_to_end(), commit=commit)
        finally:
            # Also where it is not known whether it was committed: whoever is told needlessly reads once more.
            if commit and self._after_commit is not None and isinstance(transaction, WriteTransaction):
                self._after_commit(frozenset(transaction.news or ()))
        if commit and status != "COMMIT":
            raise CommitLost("PostgreSQL rolled the transaction back.")


class Database:
    """Every organization's door to the database; each opens into one organization."""

    def __init__(
        self, pool: ConnectionPool, after_commit: AfterCommit | None = None, vault: Vault | None = None
    ) -> None:
        """Without a vault nothing sensitive can be stored or shown."""
        self._pool = pool
        self._after_commit = after_commit
        self._vault = vault

    def tenant(self, organization_id: UUID, actor: Actor, at: datetime | None = None) -> TenantDatabase:
        """The database as that organization sees it."""
        return TenantDatabase(self._pool, organization_id, actor, at, self._after_commit, self._vault)

    @asynccontextmanager
    async def found_organization(
        self, actor: Actor, at: datetime | None = None, *, restored: UUID | None = None
    ) -> AsyncGenerator[WriteTransaction]:
        """Open a transaction inside an organization that does not exist yet, to make it: a root of its own.

        One that is to be restored has the id that it had. Raises AlreadyExists where it is here.
        """
        organization_id = restored or new_id()
        connection = await self._pool.begin(organization_id, write=True)
        transaction = WriteTransaction(connection, organization_id, actor, at, vault=self._vault)
        try:
            if restored and await transaction.fetch_value(_EXISTS):
                raise AlreadyExists("The organization is here already.")
            transaction.now = at or await connection.fetchval("select now()")
            yield transaction
            await seal(transaction)
        except BaseException:
            await self._pool.end(connection, commit=False)
            raise
        if await self._pool.end(connection, commit=True) != "COMMIT":
            raise CommitLost("PostgreSQL rolled the transaction back.")
