"""The web process: every concrete thing meets here."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from app.api.allowance import Allowance
from app.api.authentication import Authenticator, People
from app.api.charge import Till
from app.api.credential.api_key import ApiKeys
from app.api.credential.key_set import KeySet
from app.api.credential.last_use import LastUse
from app.api.credential.member import Memberships
from app.api.credential.token import Provider, Tokens
from app.api.documents import Documents
from app.api.door import ApiDoor
from app.api.endpoint import GraphQLEndpoint
from app.api.graphiql import DemoKey, graphiql_page, graphiql_routes
from app.logs import configure_logs, flush_logs
from app.operations.organization.seal import seal_organization
from app.settings import Settings
from app.store.allowance import Bucket
from app.store.connection import ConnectionPool, QueryLogger, Timeouts
from app.store.memory import EntitlementMemory
from app.store.migration import head_revision
from app.store.news import Herald
from app.store.notification import Listener
from app.store.system import SystemDatabase
from app.store.tenancy import Actor, Database
from app.store.vault.vault import Vault
from app.watch import Watch
from app.web.cors import cors
from app.web.edge import Edge
from app.web.middleware import RequestIdMiddleware
from app.web.probes import probe_routes
from app.web.refusal import not_served
from app.web.usage import UsageEndpoint


def connection_pool(settings: Settings, logger: QueryLogger | None = None) -> ConnectionPool:
    """The pool that the settings describe, not open yet; `logger` is told of each statement."""
    return ConnectionPool(
        settings.database_url.get_secret_value(),
        size=settings.pool_size,
        timeouts=Timeouts(
            statement=settings.statement_timeout_ms, lock=settings.lock_timeout_ms, idle=settings.idle_timeout_ms
        ),
        logger=logger,
    )


def listener(settings: Settings) -> Listener:
    """The ear of this process, not open yet."""
    return Listener((settings.listener_database_url or settings.database_url).get_secret_value())


def people(settings: Settings, system: SystemDatabase, ear: Listener) -> People | None:
    """How people sign in; None where no identity provider is set."""
    provider = settings.identity_provider
    if provider is None:
        return None
    believed = Provider(*provider)
    return People(Tokens(believed, KeySet(believed.jwks_url, believed.algorithms)), Memberships(system, ear))


async def seal_what_is_plain(system: SystemDatabase, database: Database) -> None:
    """Seal what is stored plain from before it was sealed; however many processes do it at once, and again."""
    while some := await system.organizations_to_seal(100):
        for organization_id in some:
            await seal_organization(database.tenant(organization_id, Actor("SYSTEM", "tallygate serve", "start")))


def application(settings: Settings, demo_keys: Sequence[DemoKey] = (), watch: Watch | None = None) -> Starlette:
    """The ASGI application. It refuses to start where the wall does not stand (UnsafeDatabase)."""
    watch = watch or Watch(settings, "tallygate")
    configure_logs(settings.log_format, watch.trace_id)
    pool = connection_pool(settings, watch.query_logger)
    ear = listener(settings)
    memory = EntitlementMemory(ear, customers_max=settings.entitlement_customers_max)
    herald = Herald(ear, memory.heard)
    system = SystemDatabase(pool)
    database = Database(pool, herald.committed, Vault(settings.master_keys))
    last_use = LastUse(database)
    keys = ApiKeys(system, settings.api_key_pepper.get_secret_value(), ear, last_use)
    members = people(settings, system, ear)
    authenticator = Authenticator(database, system, keys, members)
    page = graphiql_page(demo_keys) if settings.graphiql else None
    bucket = Bucket(settings.allowance_points, settings.allowance_points_per_second)
    till = Till(settings.cost_budget, Allowance(database, bucket))
    endpoint = GraphQLEndpoint(
        settings, database, authenticator, page, memory, Documents(database, ear), till, watch.of_requests()
    )

    usage_endpoint = UsageEndpoint(settings, ApiDoor(database, authenticator, till), watch.of_usage())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        await pool.open()
        try:
            await system.check_wall(head_revision())
            await seal_what_is_plain(system, database)
            await ear.open()
            async with watch.running(pool), herald.carrying(), last_use.written():
                yield
        finally:
            if members is not None:
                await members.tokens.close()
            await ear.close()
            await pool.close()
            # A server that was told to end does so by its signal, which runs nothing else.
            flush_logs()

    async def usage(request):  # noqa: ANN001, ANN202
        return await usage_endpoint(request)

    return Edge(
        {"/graphql": endpoint, "/graphql/": endpoint},
        [Middleware(watch.around), Middleware(RequestIdMiddleware), *cors(settings.cors_origins)],
        routes=[
            Route("/usage", usage, methods=["POST"]),
            *(graphiql_routes() if settings.graphiql else []),
            *probe_routes(system),
        ],
        exception_handlers={HTTPException: not_served},
        lifespan=lifespan,
    )
