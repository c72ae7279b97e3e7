"""What it costs to know who asks: a key that is remembered, one that is not, one that enters a child, a token.

Each way proves the same credential over and over, one request after another. Counted is the CPU of this process, not
that of PostgreSQL; the medians of seven rounds, whose order goes forward and backward. A remembered key has to cost
less than a fifth of one that is not.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from app.api.authentication import Authenticator, People
from app.api.credential.api_key import ApiKeys
from app.api.credential.key_set import KeySet
from app.api.credential.last_use import LastUse
from app.api.credential.member import Memberships
from app.api.credential.token import Provider, Tokens
from app.api.ids import ORGANIZATION, type_id
from app.domain.role import SCOPES
from app.operations.member.add import add_member
from app.operations.organization.bootstrap import bootstrap_organization
from app.store.connection import ConnectionPool
from app.store.notification import Listener
from app.store.system import SystemDatabase
from app.store.tables.organization import Mode
from app.store.tenancy import Database
from bench.scratch import ACTOR, scratch_database
from tests.api.credential import provider as identity

PEPPER = "pepper-of-the-benchmark-0123456789"
TIMES = 500
ROUNDS = 7
SHARE_MAX = 0.2

Ask = Callable[[], Awaitable[object]]


async def main() -> int:
    """Measure, and say whether the bound holds."""
    async with scratch_database() as scratch, identity.serving() as provider:
        pool = ConnectionPool(scratch.url(), size=4)
        await pool.open()
        listener = Listener(scratch.url())
        try:
            database, system = Database(pool), SystemDatabase(pool)
            root, secret = await organization(database, None)
            child, _ = await organization(database, root)
            await add_member(
                database.tenant(root, ACTOR), subject="auth0|frobozz", email=None, role="billing", held=SCOPES
            )
            algorithms = frozenset({"RS256", "ES256", "EdDSA"})
            believed = Provider(identity.ISSUER, identity.AUDIENCE, provider.url, algorithms)
            people = People(Tokens(believed, KeySet(provider.url, algorithms)), Memberships(system, listener))
            deaf = Listener(scratch.url())

            def of(ear: Listener) -> Authenticator:
                return Authenticator(database, system, ApiKeys(system, PEPPER, ear, LastUse(database)), people)

            remembering, asking = of(listener), of(deaf)
            await listener.open()
            bearer = {"authorization": f"Bearer {secret}"}
            entering = bearer | {"x-organization-id": type_id(ORGANIZATION, child)}
            signed = {"authorization": f"Bearer {identity.token()}"}
            taken = await measured(
                {
                    "a key that is remembered": asked(remembering, bearer),
                    "the same, entering a child": asked(remembering, entering),
                    "a token, signed by RS256": asked(remembering, signed),
                    "a key that PostgreSQL is asked for": asked(asking, bearer),
                }
            )
        finally:
            await listener.close()
            await pool.close()
    for name, microseconds in taken.items():
        print(f"{name:36} {microseconds:8.1f} microseconds")
    known, unknown, *_ = taken["a key that is remembered"], taken["a key that PostgreSQL is asked for"]
    return 0 if known < SHARE_MAX * unknown else 1


def asked(authenticator: Authenticator, headers: Mapping[str, str]) -> Ask:
    """Ask who sends these headers."""
    return lambda: authenticator.tenant(headers, "bench")


async def organization(database: Database, parent_id: UUID | None) -> tuple[UUID, str]:
    """A new organization and its owner's key."""
    made = await bootstrap_organization(
        database, legal_name="Bench", mode=Mode.LIVE, test_clock=None, pepper=PEPPER, parent_id=parent_id
    )
    return made.organization_id, made.api_key


async def measured(ways: Mapping[str, Ask]) -> dict[str, float]:
    """The median of what each way takes, in microseconds."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name in list(ways) if number % 2 else reversed(list(ways)):
            started = time.process_time()
            for _ in range(TIMES):
                await ways[name]()
            if number:  # the first one warms up
                taken[name].append((time.process_time() - started) / TIMES * 1e6)
    return {name: statistics.median(rounds) for name, rounds in taken.items()}


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
