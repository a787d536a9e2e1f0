"""A database URL -> an asyncpg connection of one's own, with limits on every wait."""

import asyncio
import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import asyncpg

CONNECT_TIMEOUT_SECONDS: Final = 5.0
COMMAND_TIMEOUT_SECONDS: Final = 15.0
_KEEPALIVE: Final = {"tcp_keepalives_idle": "2", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "3"}

# What a lost or refusing database raises. A server that dies in the middle of a message leaves asyncpg
# in a state of its own confusion, which is no InterfaceError.
DATABASE_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


async def connect(
    url: str, application_name: str, settings: Mapping[str, str] = MappingProxyType({})
) -> asyncpg.Connection:
    """Connect outside any pool: a session's locks, LISTENs and settings are its own."""
    async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS * 2):
        return await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings={
                "application_name": application_name,
                "statement_timeout": str(int(COMMAND_TIMEOUT_SECONDS * 1000)),
                # The server lets go of a dead relay's locks once it notices: of a killed process at once, of a
                # machine that is gone or cut off after these five seconds.
                **_KEEPALIVE,
                **settings,
            },
        )


async def close(connection: asyncpg.Connection) -> None:
    """Close, or cut when the other side does not answer."""
    try:
        await connection.close(timeout=2.0)
    except Exception:
        # However a broken connection fails to close, it is to be gone.
        connection.terminate()


def log_lost(log: logging.Logger, what: str, error: Exception) -> None:
    """Say why a session ended. What is not a database's failure is a mistake of ours: shown whole.

    Either way a new session is made: events must flow again, whatever the reason that they stopped.
    """
    # The first line alone: Postgres' details may hold values of rows.
    text = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
    if isinstance(error, DATABASE_ERRORS):
        log.warning("%s lost its database: %s", what, text)
    else:
        log.error("%s failed: %s", what, text, exc_info=error)


async def wait_for_any(seconds: float, *events: asyncio.Event) -> None:
    """Return when one of the events is set, or after some seconds."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
