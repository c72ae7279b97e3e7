"""The dashboard without GraphQL: a route, seven statements on asyncpg, dictionaries, orjson."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_PARTS = re.split(r"^-- (\w+)$", Path(__file__).with_name("statements.sql").read_text(), flags=re.MULTILINE)
SQL = {name: text.strip() for name, text in zip(_PARTS[1::2], _PARTS[2::2], strict=True)}


async def dashboard(request: Request) -> Response:
    """The whole page."""
    await request.body()
    organization_id = UUID(request.headers["x-organization-id"])
    async with request.app.state.pool.acquire() as connection:
        await connection.execute(
            "begin isolation level repeatable read, read only;"
            f" select set_config('app.organization_id', '{organization_id}', true)"
        )
        try:
            page = await _page(connection, organization_id)
        finally:
            await connection.execute("commit")
    return Response(orjson.dumps({"data": page}), media_type="application/json")


async def _page(connection: asyncpg.Connection, mine: UUID) -> dict[str, Any]:
    organization = await connection.fetchrow(SQL["organization"], mine)
    balances = await connection.fetch(SQL["balances"], mine)
    subscriptions = await connection.fetch(SQL["subscriptions"], mine, 10)
    plans = {
        row["id"]: {
            "key": row["key"],
            "name": row["name"],
            "version": row["version"],
            "interval": row["interval"],
            "basePrice": {"amount": row["base_price_minor"]},
        }
        for row in await connection.fetch(SQL["plans"], mine, list({row["plan_id"] for row in subscriptions}))
    }
    invoices = await connection.fetch(SQL["invoices"], mine, 50)
    ids = [row["id"] for row in invoices]
    lines: dict[UUID, list[Any]] = {id_: [] for id_ in ids}
    for invoice_id, description, quantity, amount in await connection.fetch(SQL["lines"], mine, ids):
        line = {"description": description, "quantity": str(quantity), "amount": {"amount": amount}}
        lines[invoice_id].append(line)
    entries: dict[UUID, list[Any]] = {id_: [] for id_ in ids}
    for invoice_id, type_, debit, credit in await connection.fetch(SQL["entries"], mine, ids):
        entries[invoice_id].append({"type": type_, "debit": {"amount": debit}, "credit": {"amount": credit}})
    return {
        "organization": {"legalName": organization["legal_name"], "timeZone": organization["time_zone"]},
        "balances": [{"amount": amount, "currency": currency} for currency, amount in balances],
        "subscriptions": {
            "nodes": [
                {"status": status, "quantity": quantity, "plan": plans[plan_id]}
                for status, quantity, plan_id in subscriptions
            ]
        },
        "invoices": {
            "nodes": [
                {
                    "number": number,
                    "status": status,
                    "paymentState": payment_state,
                    "total": {"amount": total},
                    "lineItems": lines[id_],
                    "ledgerEntries": {"nodes": entries[id_][:3]},
                }
                for id_, number, status, payment_state, total in invoices
            ]
        },
    }


async def _keep(_connection: Any) -> None:
    """Reset nothing: the setting is local to its transaction."""


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=10, reset=_keep) as pool:
        app.state.pool = pool
        yield


app = Starlette(routes=[Route("/dashboard", dashboard, methods=["POST"])], lifespan=_lifespan)
