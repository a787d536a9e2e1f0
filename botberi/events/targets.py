"""Settings -> connections to the databases whose outboxes an operator asks about, and RabbitMQ's URL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from botberi.postgres import DATABASES
from botberi.run.errors import StartError
from botberi.settings import EventsSettings
from event_broker.connection import DATABASE_ERRORS, close, connect

NAMES: Final = DATABASES


def amqp_url(settings: EventsSettings) -> str:
    """Return RabbitMQ's URL, or say why there are no dead letters to see."""
    if settings.amqp_url is None:
        raise StartError(
            "BOTBERI_AMQP_URL is not set. The in-process bus keeps its dead letters in the memory of the platform "
            "that runs (its log and `botberi_dead_letters_total` tell of them); `botberi events replay` sends their "
            "events again."
        )
    return settings.amqp_url


@asynccontextmanager
async def connected(database: str, url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect; what a database says of its failure becomes one line without the URL."""
    try:
        connection = await connect(url, "botberi-events")
    except DATABASE_ERRORS as error:
        raise StartError(f"{database} does not answer: {_line(error)}") from None
    try:
        yield connection
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        raise StartError(f"{database} has no outbox as this version knows it: run `botberi migrate`.") from None
    except DATABASE_ERRORS as error:
        raise StartError(f"{database} failed: {_line(error)}") from None
    finally:
        await close(connection)


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300] or type(error).__name__
