"""Database URLs -> migrated and seeded databases."""

import asyncio
import sys
from collections.abc import Sequence

import psycopg

from botberi import credentials
from botberi import seed as seeding
from botberi.databases import database_urls
from botberi.run.errors import StartError
from botberi.settings import SeedSettings
from shared_schema import roles
from shared_schema.database import Database, PoolOptions
from shared_schema.migrate import MigrationError, upgrade
from subgraphs.identity.passwords import hasher
from subgraphs.identity.settings import IdentitySettings
from workers.broker import ensure_pgmq
from workers.settings import WorkerSettings


async def migrate(settings: SeedSettings) -> None:
    """`botberi migrate`."""
    urls = database_urls(settings)
    await migrate_both(urls["user_psql"], urls["shared_psql"])


async def migrate_both(user_url: str, shared_url: str) -> None:
    """Both databases at the newest revision. Raises `StartError`."""
    try:
        await asyncio.to_thread(upgrade, "user_psql", user_url)
        await asyncio.to_thread(upgrade, "shared_psql", shared_url)
    except MigrationError as error:
        raise StartError(f"The databases can't be migrated: {error}") from error


async def make_queue(shared_url: str) -> None:
    """Make Celery's queue on Postgres (without RabbitMQ) for the roles that use it. Run it as the server's owner."""

    def make() -> None:
        settings = WorkerSettings(shared_database_url=shared_url)
        if settings.broker_url is None:
            ensure_pgmq(settings)
            with psycopg.connect(shared_url, connect_timeout=10) as connection:
                roles.give_queue(connection)

    await asyncio.to_thread(make)


async def seed(settings: SeedSettings) -> None:
    """`botberi seed`."""
    urls = database_urls(settings)
    made: Sequence[credentials.Credential] = ()
    if settings.seed_accounts:
        made = credentials.load_or_make(settings.state_dir)
    await seed_both(urls["user_psql"], urls["shared_psql"], made)
    kept_in = credentials.kept_in(settings.state_dir, sys.stdout)
    for credential in made:
        password = f"password in {kept_in}" if kept_in else credential.password
        print(f"{credential.role}: {credential.email} / {password}")


async def seed_both(user_url: str, shared_url: str, accounts: Sequence[credentials.Credential]) -> None:
    """Agents, templates and accounts where they are missing."""
    options = PoolOptions(pool_size=1, max_overflow=0, application_name="botberi-seed")
    user_database, shared_database = Database(user_url, options), Database(shared_url, options)
    try:
        await seeding.seed(user_database, shared_database, accounts, hasher(IdentitySettings()))
    finally:
        await user_database.aclose()
        await shared_database.aclose()
