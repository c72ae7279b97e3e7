"""The dashboard as Strawberry's documentation builds it: types, resolvers, its DataLoader, SQLModel entities.

A session of SQLAlchemy for each request, closed by an extension; one statement at a time on it.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import SchemaExtension

from app.store import tables

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=10, max_overflow=0
)
sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


class Context:
    """What a request's resolvers share."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.organization_id = UUID(request.headers["x-organization-id"])
        self.session: Any = None
        self.turn = asyncio.Lock()
        self.plans = DataLoader(self.load_plans)
        self.lines = DataLoader(self.load_lines)
        self.entries = DataLoader(self.load_entries)

    async def rows(self, statement: Any) -> Sequence[Any]:
        """What a select gives; a session takes one at a time."""
        async with self.turn:
            return (await self.session.exec(statement)).all()

    async def load_plans(self, keys: list[UUID]) -> list[Any]:
        """The plan of each id."""
        where = (tables.Plan.organization_id == self.organization_id, col(tables.Plan.id).in_(keys))
        found = {row.id: row for row in await self.rows(select(tables.Plan).where(*where))}
        return [found[key] for key in keys]

    async def load_lines(self, keys: list[UUID]) -> list[list[Any]]:
        """The lines of each invoice."""
        line = tables.InvoiceLineItem
        statement = select(line).where(line.organization_id == self.organization_id, col(line.invoice_id).in_(keys))
        return await self._grouped(statement.order_by(col(line.invoice_id), col(line.sort_order)), keys)

    async def load_entries(self, keys: list[UUID]) -> list[list[Any]]:
        """The statement's entries of each invoice."""
        entry = tables.LedgerEntry
        statement = (
            select(entry)
            .where(entry.organization_id == self.organization_id, col(entry.invoice_id).in_(keys))
            .where(col(entry.customer_id).is_not(None))
            .order_by(
                col(entry.invoice_id), col(entry.created_at).desc(), col(entry.sequence).desc(), col(entry.id).desc()
            )
        )
        return await self._grouped(statement, keys)

    async def _grouped(self, statement: Any, keys: list[UUID]) -> list[list[Any]]:
        found = defaultdict(list)
        for row in await self.rows(statement):
            found[row.invoice_id].append(row)
        return [found[key] for key in keys]


Info = strawberry.Info[Context, None]


@strawberry.type
class Money:
    """An amount."""

    amount: int
    currency: str


@strawberry.type
class Plan:
    """A plan."""

    key: str
    name: str
    version: int
    interval: str
    base_price: Money


@strawberry.type
class Subscription:
    """A subscription."""

    plan_id: strawberry.Private[UUID]
    status: str
    quantity: int

    @strawberry.field
    async def plan(self, info: Info) -> Plan:
        """Its plan."""
        row = await info.context.plans.load(self.plan_id)
        price = Money(amount=row.base_price_minor, currency=row.currency)
        return Plan(key=row.key, name=row.name, version=row.version, interval=row.interval, base_price=price)


@strawberry.type
class LineItem:
    """A line."""

    description: str
    quantity: Decimal
    amount: Money


@strawberry.type
class LedgerEntry:
    """An entry."""

    type: str
    debit: Money
    credit: Money


@strawberry.type
class LedgerEntries:
    """A page of them."""

    nodes: list[LedgerEntry]


@strawberry.type
class Invoice:
    """An invoice."""

    id: strawberry.Private[UUID]
    number: str
    status: str
    payment_state: str
    total: Money

    @strawberry.field
    async def line_items(self, info: Info) -> list[LineItem]:
        """Its lines."""
        return [
            LineItem(
                description=row.description,
                quantity=row.quantity,
                amount=Money(amount=row.amount_minor, currency=row.currency),
            )
            for row in await info.context.lines.load(self.id)
        ]

    @strawberry.field
    async def ledger_entries(self, info: Info, first: int = 20) -> LedgerEntries:
        """Its entries."""
        nodes = [
            LedgerEntry(
                type=row.type,
                debit=Money(amount=row.debit_minor, currency=row.currency),
                credit=Money(amount=row.credit_minor, currency=row.currency),
            )
            for row in (await info.context.entries.load(self.id))[:first]
        ]
        return LedgerEntries(nodes=nodes)


@strawberry.type
class Subscriptions:
    """A page of them."""

    nodes: list[Subscription]


@strawberry.type
class Invoices:
    """A page of them."""

    nodes: list[Invoice]


@strawberry.type
class Organization:
    """The tenant."""

    legal_name: str
    time_zone: str


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    async def organization(self, info: Info) -> Organization:
        """The tenant."""
        mine = tables.Organization.organization_id == info.context.organization_id
        (row,) = await info.context.rows(select(tables.Organization).where(mine))
        return Organization(legal_name=row.legal_name, time_zone=row.time_zone)

    @strawberry.field
    async def balances(self, info: Info) -> list[Money]:
        """What is owed."""
        account = tables.ledger.Account
        statement = (
            select(account.currency, func.sum(account.balance_minor))
            .where(account.organization_id == info.context.organization_id, account.code == "RECEIVABLE")
            .group_by(account.currency)
            .order_by(account.currency)
        )
        return [Money(amount=int(amount), currency=currency) for currency, amount in await info.context.rows(statement)]

    @strawberry.field
    async def subscriptions(self, info: Info, first: int = 20) -> Subscriptions:
        """The newest subscriptions."""
        rows = await info.context.rows(_newest(tables.Subscription, info, first))
        return Subscriptions(
            nodes=[Subscription(plan_id=row.plan_id, status=row.status, quantity=row.quantity) for row in rows]
        )

    @strawberry.field
    async def invoices(self, info: Info, first: int = 20) -> Invoices:
        """The newest invoices."""
        return Invoices(
            nodes=[
                Invoice(
                    id=row.id,
                    number=row.number,
                    status=row.status,
                    payment_state=row.payment_state,
                    total=Money(amount=row.total_minor, currency=row.currency),
                )
                for row in await info.context.rows(_newest(tables.Invoice, info, first))
            ]
        )


def _newest(table: Any, info: Info, first: int) -> Any:
    mine = table.organization_id == info.context.organization_id
    return select(table).where(mine).order_by(col(table.created_at).desc(), col(table.id).desc()).limit(first)


class Session(SchemaExtension):
    """Opens the request's session inside its organization, and closes it."""

    async def on_operation(self) -> AsyncIterator[None]:
        """Around an operation."""
        context = self.execution_context.context
        async with sessions() as session, session.begin():
            await session.execute(
                text("select set_config('app.organization_id', :id, true)"), {"id": str(context.organization_id)}
            )
            context.session = session
            yield


class Endpoint(GraphQL):
    """Strawberry's own view."""

    async def get_context(self, request: Request, response: Response) -> Context:  # noqa: ARG002
        """The context of a request."""
        return Context(request)


app = Starlette(routes=[Route("/graphql", Endpoint(strawberry.Schema(Query, extensions=[Session])))])
