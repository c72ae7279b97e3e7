"""Preparing a server for Tallygate, as its administrator, and saying what is wrong with one."""

import asyncpg
from sqlalchemy.exc import ArgumentError, DBAPIError

from app.store.connection import Unavailable
from app.store.embedded import EmbeddedPostgresError
from app.store.system import UnsafeDatabase


async def create_database(url: str, name: str) -> None:
    """Make a database on the server that the URL reaches; one that is there stays."""
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("select true from pg_database where datname = $1", name):
            await connection.execute(f'create database "{name}"')
    finally:
        await connection.close()


async def let_log_in(owner_url: str, login_url: str, role: str, password: str) -> None:
    """Give a role a password, unless it can log in with it already. `password` holds URL-safe characters."""
    try:
        connection = await asyncpg.connect(login_url)
    except asyncpg.PostgresError:
        owner = await asyncpg.connect(owner_url)
        try:
            # PostgreSQL takes no parameters in this statement.
            await owner.execute(f"alter role {role} password '{password}'")
        finally:
            await owner.close()
        connection = await asyncpg.connect(login_url)
    await connection.close()


def complaint(error: BaseException) -> str | None:
    """What a person can do about a database error; None where the fault is ours."""
    match error:
        case UnsafeDatabase() | EmbeddedPostgresError():
            return str(error)
        case asyncpg.ClientConfigurationError() | ArgumentError():
            return f"The database's address cannot be read: {error}. Give postgresql://user@host/database."
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return f"The database refused the login: {error}. Check the user and password in DATABASE_URL."
        case asyncpg.InvalidCatalogNameError():
            return f"There is no such database: {error}. Create it, or correct DATABASE_URL."
        case asyncpg.InsufficientPrivilegeError():
            return f"The database login may not do this: {error}. Migrate as a login that owns the database."
        case asyncpg.PostgresConnectionError() | asyncpg.CannotConnectNowError() | Unavailable():
            return f"The database does not answer: {error}. Check that it runs and that DATABASE_URL is right."
        case DBAPIError():
            cause = getattr(error.orig, "__cause__", None) or error.orig
            return None if cause is None else complaint(cause)
        case OSError():
            return f"The database cannot be reached: {error}. Check that it runs and that DATABASE_URL is right."
        case _:
            return None
