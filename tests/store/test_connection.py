"""Connections that PostgreSQL gives up while nobody asks anything of them."""

import pytest

from app.store.connection import ConnectionPool, Unavailable
from tests.store.farewell import saying_farewell


async def test_a_farewell_between_two_statements_is_an_outage(app_url: str) -> None:
    """PostgreSQL says why it goes before it hangs up: who asks in between is told to try again, and then answered."""
    async with saying_farewell(app_url) as (url, say_farewell, hang_up):
        pool = ConnectionPool(url, size=1)
        await pool.open()
        try:
            async with pool.connection() as connection:
                assert await connection.fetchval("select 7") == 7
            await say_farewell()
            with pytest.raises(Unavailable):
                async with pool.connection() as connection:
                    await connection.fetchval("select 7")
            await hang_up()
            async with pool.connection() as connection:
                assert await connection.fetchval("select 7") == 7
        finally:
            await pool.close()
