"""Models' metadata and a connection -> an Alembic run. Both environments are this one."""

import os

from alembic import context
from sqlalchemy import Connection, MetaData

from shared_schema.database import create_sync_database_engine
from shared_schema.settings import SettingsError


def run(metadata: MetaData, variable: str) -> None:
    """Run Alembic's command on the connection that `migrate` hands over, or on the environment's database."""
    connection = context.config.attributes.get("connection")
    if isinstance(connection, Connection):
        _run_on(connection, metadata)
        return
    # The command line of Alembic itself, which a developer uses to write the next migration.
    url = os.environ.get(variable)
    if not url:
        raise SettingsError(f"{variable} is not set")
    engine = create_sync_database_engine(url)
    try:
        with engine.connect() as connected:
            _run_on(connected, metadata)
    finally:
        engine.dispose()


def _run_on(connection: Connection, metadata: MetaData) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=True,
        # One transaction a migration: a long one can then take its own way (CREATE INDEX CONCURRENTLY).
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
