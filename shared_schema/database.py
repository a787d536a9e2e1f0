"""Database URL -> engines and sessions; `unit_of_work()` is the one place that commits.

`Database` is the services' (asyncio, asyncpg); `SyncDatabase` is the Celery worker's (psycopg). Make
either after a fork, never before: two processes must not share a socket.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import sqlalchemy
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql import Executable

from shared_schema import origin
from shared_schema.settings import DatabaseSettings

CONNECT_TIMEOUT_SECONDS: Final = 5.0
# A dead peer is noticed in about 15 s, not in the kernel's two hours; these are the server's side.
KEEPALIVE: Final = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "3", "tcp_keepalives_count": "3"}

#: The key in a session's `info` of rows (or, in asyncio code, statements) that its unit of work writes last, right
#: before it commits.
LAST_ROWS: Final = "last_rows"


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Limits of a process: connections that it may hold, and seconds that anything may take."""

    pool_size: int = 5
    max_overflow: int = 10
    pool_timeout_seconds: float = 5.0
    # Connections are renewed: a server moved behind a name, memory kept by prepared statements.
    recycle_seconds: int = 1800
    statement_timeout_seconds: float = 15.0
    lock_timeout_seconds: float = 5.0
    # A transaction left open holds back vacuum, and the outbox's order waits for it.
    idle_in_transaction_timeout_seconds: float = 30.0
    application_name: str = "botberi"

    @classmethod
    def from_settings(cls, settings: DatabaseSettings, application_name: str = "botberi") -> Self:
        """Take what the environment may set."""
        return cls(
            pool_size=settings.database_pool_size,
            max_overflow=settings.database_max_overflow,
            statement_timeout_seconds=settings.database_statement_timeout_seconds,
            application_name=application_name,
        )

    def server_settings(self) -> dict[str, str]:
        """Return the session's settings, by Postgres' names (plain numbers are milliseconds)."""
        return {
            "application_name": self.application_name[:63],
            "statement_timeout": str(int(self.statement_timeout_seconds * 1000)),
            "lock_timeout": str(int(self.lock_timeout_seconds * 1000)),
            "idle_in_transaction_session_timeout": str(int(self.idle_in_transaction_timeout_seconds * 1000)),
            "timezone": "UTC",
            **KEEPALIVE,
        }

    def _pool(self) -> dict[str, Any]:
        return {
            "pool_size": self.pool_size,
            "max_overflow": self.max_overflow,
            "pool_timeout": self.pool_timeout_seconds,
            "pool_recycle": self.recycle_seconds,
            "pool_pre_ping": True,
            # Values stay out of logs and error texts: some are hashes of passwords.
            "hide_parameters": True,
        }


class Database:
    """One database for asyncio code: a pool, and units of work on it."""

    def __init__(self, url: str, options: PoolOptions | None = None) -> None:
        self.engine = create_async_database_engine(url, options)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self._sessions() as session, session.begin():
            if (who := origin.current()) is not None:
                await session.execute(origin.STATEMENT, who.parameters())
            yield session
            if rows := session.info.pop(LAST_ROWS, None):
                await session.flush()
                session.add_all([row for row in rows if not isinstance(row, Executable)])
                await session.flush()
                for statement in rows:
                    if isinstance(statement, Executable):
                        await session.execute(statement)

    async def ping(self) -> None:
        """Raise unless the database answers."""
        async with self.engine.connect() as connection:
            await connection.execute(sqlalchemy.text("SELECT 1"))

    async def aclose(self) -> None:
        """Close the pool."""
        await self.engine.dispose()


class SyncDatabase:
    """One database for synchronous code."""

    def __init__(self, url: str, options: PoolOptions | None = None) -> None:
        self.engine = create_sync_database_engine(url, options)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._sessions() as session, session.begin():
            if (who := origin.current()) is not None:
                session.execute(origin.STATEMENT, who.parameters())
            yield session
            if rows := session.info.pop(LAST_ROWS, None):
                session.flush()
                session.add_all(rows)
                session.flush()

    def close(self) -> None:
        """Close the pool."""
        self.engine.dispose()


def create_async_database_engine(url: str, options: PoolOptions | None = None) -> AsyncEngine:
    """Return an asyncpg engine for a `postgresql://` URL."""
    options = options or PoolOptions()
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    connect_args: dict[str, Any] = {
        "timeout": CONNECT_TIMEOUT_SECONDS,
        "command_timeout": options.statement_timeout_seconds + CONNECT_TIMEOUT_SECONDS,
        "server_settings": options.server_settings(),
    }
    # asyncpg's own argument is `ssl`; libpq's name, which psycopg reads from the same URL, is `sslmode`.
    if sslmode := parsed.query.get("sslmode"):
        parsed = parsed.difference_update_query(["sslmode"])
        connect_args["ssl"] = sslmode
    return create_async_engine(parsed, connect_args=connect_args, **options._pool())


def create_sync_database_engine(url: str, options: PoolOptions | None = None) -> Engine:
    """Return a psycopg engine for a `postgresql://` URL."""
    options = options or PoolOptions()
    settings = " ".join(f"-c {name}={value}" for name, value in options.server_settings().items())
    connect_args = {"connect_timeout": int(CONNECT_TIMEOUT_SECONDS), "options": settings}
    parsed = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(parsed, connect_args=connect_args, **options._pool())
