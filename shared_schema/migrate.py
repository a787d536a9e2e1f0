"""A database's name and URL -> its schema brought to the newest revision, by one process at a time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from shared_schema import roles
from shared_schema.database import CONNECT_TIMEOUT_SECONDS, PoolOptions, create_sync_database_engine

log = logging.getLogger(__name__)

DatabaseName = Literal["user_psql", "shared_psql"]
DATABASES: Final[tuple[DatabaseName, ...]] = ("user_psql", "shared_psql")

# "botberi migrate": any number that no other program locks.
_LOCK: Final = 0x626F7462_6D696772
_HERE: Final = Path(__file__).parent / "migrations"
_LOCK_NOT_AVAILABLE: Final = "55P03"


class MigrationError(Exception):
    """The schema is not what the code needs, and this says why."""

    code: Final = "MIGRATION"


def upgrade(database: DatabaseName, url: str, *, revision: str = "heads", lock_timeout: float = 60.0) -> None:
    """Bring the database to the newest revision, or to the one that is named; does nothing when it is there.

    Processes that start at once wait for one another (an advisory lock); a migration that fails leaves
    the schema at the one before it. Raises `MigrationError`, also for a database that is not UTF-8.
    """
    _require_utf8(database, url)
    with _connection(url) as guard, _connection(url, statement_timeout=3600.0) as connection:
        _lock(guard, database, lock_timeout)
        before = _current(connection)
        config = _config(database)
        config.attributes["connection"] = connection
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if unknown := set(before) - known:
            raise MigrationError(
                f"{database} is at revision {', '.join(sorted(unknown))}, which this version does not know: "
                "it was migrated by a newer one"
            )
        if revision != "heads" and revision not in known:
            raise MigrationError(f"revision {revision} of {database} is not known to this version")
        command.upgrade(config, revision)
        after = _current(connection)
        _grant(connection, database)
    if before != after:
        log.info("%s migrated from %s to %s", database, _text(before), _text(after))


def _require_utf8(database: DatabaseName, url: str) -> None:
    """Raise `MigrationError` unless texts are stored as UTF-8: elsewhere names and texts of users would be damaged.

    By psycopg itself: SQLAlchemy's first questions to an SQL_ASCII database already fail.
    """
    target = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    timeout = int(CONNECT_TIMEOUT_SECONDS)
    with psycopg.connect(target, connect_timeout=timeout, client_encoding="UTF8") as connection:
        row = connection.execute(
            "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
        )
        (encoding,) = row.fetchone() or ("unknown",)
    if encoding != "UTF8":
        raise MigrationError(
            f"{database} stores text as {encoding}; Botberi needs UTF-8. An encoding can't be changed: create the "
            f"database again with `CREATE DATABASE {database} ENCODING 'UTF8' TEMPLATE template0`, or "
            "`createdb --encoding=UTF8 --template=template0`, and migrate that"
        )


def _grant(connection: Connection, database: DatabaseName) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        roles.grant(driver, database)
        driver.commit()
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"the rights of the services' roles in {database} can't be given ({str(error).strip()}): migrate as the "
            f"role that owns the tables ({roles.OWNER} where the roles were made as docs/operations/roles.md says)"
        ) from error


def current(database: DatabaseName, url: str) -> tuple[str, ...]:
    """Return the revision of the database; empty for a database without our schema."""
    del database
    with _connection(url) as connection:
        return _current(connection)


def heads(database: DatabaseName) -> tuple[str, ...]:
    """Return the newest revision in the code (two would be a mistake, which a test finds)."""
    return tuple(sorted(ScriptDirectory.from_config(_config(database)).get_heads()))


def check(database: DatabaseName, url: str) -> None:
    """Raise `MigrationError` unless the database is at the revision that the code needs."""
    revisions, newest = current(database, url), heads(database)
    if revisions != newest:
        raise MigrationError(
            f"{database} is at {_text(revisions)}, the code needs {_text(newest)}: run `botberi migrate`"
        )


def _config(database: DatabaseName) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE / database).replace("%", "%%"))
    return config


@contextmanager
def _connection(url: str, statement_timeout: float = 120.0) -> Iterator[Connection]:
    options = PoolOptions(
        pool_size=1,
        max_overflow=0,
        statement_timeout_seconds=statement_timeout,
        # A migration waits for a table no longer than its users may wait behind it.
        lock_timeout_seconds=10.0,
        idle_in_transaction_timeout_seconds=600.0,
        application_name="botberi-migrate",
    )
    engine = create_sync_database_engine(url, options)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _lock(connection: Connection, database: DatabaseName, timeout: float) -> None:
    """Take the lock on a connection of its own, which holds it until it closes."""
    connection.execution_options(isolation_level="AUTOCOMMIT")
    milliseconds = str(int(timeout * 1000))
    settings = text("SELECT set_config('lock_timeout', :ms, false), set_config('statement_timeout', '0', false)")
    connection.execute(settings, {"ms": milliseconds})
    try:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise MigrationError(f"another process has been migrating {database} for {timeout:.0f} s") from error


def _current(connection: Connection) -> tuple[str, ...]:
    revisions = tuple(sorted(MigrationContext.configure(connection).get_current_heads()))
    connection.rollback()
    return revisions


def _text(revisions: tuple[str, ...]) -> str:
    return ", ".join(revisions) or "no revision"
