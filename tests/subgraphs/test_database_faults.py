"""A database that cuts connections, answers late or runs out of them: clear errors, and recovery without a restart."""

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from subgraphs.catalog import queries
from subgraphs.catalog.app import create_app
from subgraphs.catalog.settings import CatalogSettings
from tests.subgraphs.conftest import Client

LIST = "{ ok: __typename agents { totalCount } }"


async def cut(url: str, doing: str = "") -> int:
    """End every connection to the database but this one, or those whose statement has `doing` in it."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        ended = await connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE %s",
            [f"%{doing}%"],
        )
        row = await ended.fetchone()
        assert row is not None
        return int(row[0])


def sleeping(seconds: float) -> Any:
    """In place of a list: a statement that takes its time."""

    async def wait(store: Any, *_: Any) -> None:
        async with store.read() as session:
            await session.execute(text(f"SELECT pg_sleep({seconds})"))

    return wait


async def code(client: Client) -> str | None:
    body = (await client.post(LIST)).json()
    if "errors" not in body:
        return None
    return str(body["errors"][0]["extensions"]["code"])


async def test_connections_cut_while_idle_are_replaced(catalog: Client, shared_database_url: str) -> None:
    assert await code(catalog) is None
    assert await cut(shared_database_url) >= 1
    assert await code(catalog) is None


async def test_a_connection_cut_at_work_is_unavailable_and_the_next_request_works(
    catalog: Client, shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(queries, "list_connection", sleeping(20))
        request = asyncio.create_task(code(catalog))
        for _ in range(100):
            await asyncio.sleep(0.05)
            if await cut(shared_database_url, "pg_sleep(20"):
                break
        assert await asyncio.wait_for(request, 5) == "SERVICE_UNAVAILABLE"
    assert await code(catalog) is None


async def test_a_statement_that_takes_too_long_is_ended(
    shared_database_url: str, signer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "list_connection", sleeping(20))
    settings = CatalogSettings(shared_database_url=shared_database_url, database_statement_timeout_seconds=0.2)
    async with Client(create_app(settings, jwks=signer.jwks()), "catalog", signer) as client:
        assert await asyncio.wait_for(code(client), 5) == "SERVICE_UNAVAILABLE"


async def test_a_request_that_is_ended_gives_its_connection_back(
    shared_database_url: str, signer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = CatalogSettings(
        shared_database_url=shared_database_url,
        database_pool_size=1,
        database_max_overflow=0,
        subgraph_request_timeout_seconds=0.5,
    )
    async with Client(create_app(settings, jwks=signer.jwks()), "catalog", signer) as client:
        with monkeypatch.context() as patch:
            patch.setattr(queries, "list_connection", sleeping(20))
            assert await code(client) == "TIMEOUT"
        for _ in range(3):
            assert await code(client) is None
