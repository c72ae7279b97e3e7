"""Callers of the API, as partners and dashboards are: over HTTP, with a key."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import httpx

from app.api.ids import ORGANIZATION, type_id
from app.domain.credential import PREFIX_ENTROPY_BYTES, SECRET_ENTROPY_BYTES, api_key_from_entropy, secret_hash
from app.domain.role import Role
from app.operations.organization.bootstrap import bootstrap_organization
from app.store.api_key import insert_api_key
from app.store.query import new_id
from app.store.tables.organization import Mode
from app.store.tenancy import Actor, Database, TenantDatabase


@dataclass
class Caller:
    """A credential and what one does with it."""

    http: httpx.AsyncClient
    api_key: str
    organization_id: str
    database: TenantDatabase
    headers: dict[str, str] = field(default_factory=dict)
    stock: httpx.AsyncClient | None = None
    """The same application without its planner, where there is one."""

    def by_stock(self) -> list["Caller"]:
        """The same caller of the application without its planner; none where there is no such."""
        return [] if self.stock is None else [replace(self, http=self.stock)]

    async def post(self, content: Any = None, **options: Any) -> httpx.Response:
        """Send a request as it is."""
        headers = {"authorization": f"Bearer {self.api_key}", **self.headers, **options.pop("headers", {})}
        return await self.http.post("/graphql", json=content, headers=headers, **options)

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Execute a document and give the whole answer, errors included."""
        answer = await self.post({"query": query, "variables": variables})
        return answer.json()

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """Execute a document that must succeed and give its data."""
        answer = await self.ask(query, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def change(self, field: str, input: Mapping[str, Any], select: str) -> dict[str, Any]:
        """Run a mutation that must not be refused and give its payload."""
        payload = await self.attempt(field, input, select)
        assert payload["userErrors"] == [], payload["userErrors"]
        return payload

    async def attempt(self, field: str, input: Mapping[str, Any], select: str) -> dict[str, Any]:
        """Run a mutation and give its payload, refusals included."""
        type_name = field[0].upper() + field[1:] + "Input"
        document = (
            f"mutation($input: {type_name}!) {{ {field}(input: $input)"
            f" {{ {select} userErrors {{ code message path }} }} }}"
        )
        return (await self.data(document, input=dict(input)))[field]


class Founder:
    """Makes organizations and keys, as `tallygate bootstrap` does."""

    def __init__(
        self, database: Database, http: httpx.AsyncClient, pepper: str, stock: httpx.AsyncClient | None = None
    ) -> None:
        self._database = database
        self._http = http
        self._stock = stock
        self._pepper = pepper

    async def organization(
        self,
        legal_name: str = "Xyzzy Corp",
        *,
        mode: Mode = Mode.LIVE,
        test_clock: datetime | None = None,
        currency: str = "USD",
        time_zone: str = "UTC",
    ) -> Caller:
        """A new organization, and its owner."""
        made = await bootstrap_organization(
            self._database,
            legal_name=legal_name,
            mode=mode,
            test_clock=test_clock,
            pepper=self._pepper,
            currency=currency,
            time_zone=time_zone,
        )
        tenant = self._database.tenant(made.organization_id, Actor("SYSTEM", "test", "test"))
        organization_id = type_id(ORGANIZATION, made.organization_id)
        return Caller(self._http, made.api_key, organization_id, tenant, stock=self._stock)

    async def colleague(self, owner: Caller, role: Role) -> Caller:
        """Another credential of the same organization, with that role."""
        entropy = secrets.token_bytes(PREFIX_ENTROPY_BYTES + SECRET_ENTROPY_BYTES)
        key = api_key_from_entropy(entropy, test=False)
        async with owner.database.write() as tx:
            await insert_api_key(
                tx,
                id=new_id(),
                name=str(role),
                prefix=key.prefix,
                secret_hash=secret_hash(key.secret, self._pepper),
                role=role,
                created_at=tx.now,
                expires_at=None,
            )
        return Caller(self._http, key.secret, owner.organization_id, owner.database, stock=self._stock)
