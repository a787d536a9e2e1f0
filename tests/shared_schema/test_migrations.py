"""Models and migrations say the same; migrations run once, however many processes start them."""

import threading
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import MetaData

from shared_schema import migrate
from shared_schema.database import create_sync_database_engine
from shared_schema.migrate import DATABASES, DatabaseName, MigrationError
from shared_schema.models import SharedBase, UserBase
from tests.support.postgres import TestPostgres

pytestmark = pytest.mark.postgres

METADATA: dict[DatabaseName, MetaData] = {"user_psql": UserBase.metadata, "shared_psql": SharedBase.metadata}

# What a schema is, as the catalog prints it: one row a fact.
FACTS = """
    SELECT 'column', format('%s.%s %s null=%s default=%s generated=%s identity=%s', c.relname, a.attname,
        format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
        a.attgenerated, a.attidentity)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
        AND c.relname <> 'alembic_version'
    UNION ALL
    SELECT 'constraint', format('%s.%s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
    UNION ALL
    SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
"""


def facts(url: str) -> set[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return {(row[0], row[1]) for row in connection.execute(FACTS)}


@pytest.mark.parametrize("database", DATABASES)
def test_alembic_finds_nothing_to_generate(postgres: TestPostgres, database: DatabaseName) -> None:
    engine = create_sync_database_engine(postgres.url(postgres.migrated(database)))
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        difference = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA[database])
    engine.dispose()
    assert difference == []


@pytest.mark.parametrize("database", DATABASES)
def test_migrated_is_what_the_models_create(postgres: TestPostgres, database: DatabaseName) -> None:
    """Alembic compares neither checks nor conditions of indexes; the catalog shows them all."""
    migrated = postgres.url(postgres.migrated(database))
    created = postgres.url(postgres.create())
    engine = create_sync_database_engine(created)
    METADATA[database].create_all(engine)
    engine.dispose()
    assert facts(migrated) == facts(created)
    assert len(facts(migrated)) > 50


@pytest.mark.parametrize("database", DATABASES)
def test_one_head_and_no_two_migrations_after_the_same(database: DatabaseName) -> None:
    scripts = list(ScriptDirectory.from_config(migrate._config(database)).walk_revisions())
    assert len(migrate.heads(database)) == 1
    parents = [script.down_revision for script in scripts]
    assert len(parents) == len(set(parents))
    files = list((Path(migrate.__file__).parent / "migrations" / database / "versions").glob("[0-9]*.py"))
    assert len(files) == len(scripts)


@pytest.mark.parametrize("database", DATABASES)
def test_second_upgrade_changes_nothing(postgres: TestPostgres, database: DatabaseName) -> None:
    url = postgres.url(postgres.migrated(database))
    before = facts(url)
    migrate.upgrade(database, url)
    assert facts(url) == before
    assert migrate.current(database, url) == migrate.heads(database)
    migrate.check(database, url)


@pytest.mark.parametrize("database", DATABASES)
def test_downgrade_leaves_nothing(postgres: TestPostgres, database: DatabaseName) -> None:
    url = postgres.url(postgres.migrated(database))
    engine = create_sync_database_engine(url)
    config: Config = migrate._config(database)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    engine.dispose()
    assert facts(url) == set()
    with psycopg.connect(url) as plain:
        left = plain.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace").fetchall()
    assert left == []
    migrate.upgrade(database, url)


def test_concurrent_starters_wait_for_one_another(postgres: TestPostgres) -> None:
    url = postgres.url(postgres.create())
    failures: list[BaseException] = []

    def start() -> None:
        try:
            migrate.upgrade("shared_psql", url)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    migrate.check("shared_psql", url)


def test_waiting_for_another_migration_is_bounded(postgres: TestPostgres) -> None:
    url = postgres.url(postgres.create())
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (migrate._LOCK,))
        with pytest.raises(MigrationError, match="another process has been migrating shared_psql"):
            migrate.upgrade("shared_psql", url, lock_timeout=0.2)


def test_check_names_what_to_do(postgres: TestPostgres) -> None:
    with pytest.raises(MigrationError, match=r"no revision, the code needs .* run `botberi migrate`"):
        migrate.check("user_psql", postgres.url(postgres.create()))


def test_a_newer_schema_is_left_alone(postgres: TestPostgres) -> None:
    url = postgres.url(postgres.migrated("user_psql"))
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MigrationError, match="migrated by a newer one"):
        migrate.upgrade("user_psql", url)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_is_not_utf8_is_refused_in_words(postgres: TestPostgres, encoding: str) -> None:
    name = f"test_{encoding.lower()}"
    options = sql.SQL("CREATE DATABASE {} ENCODING {} TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'")
    postgres.execute(options.format(sql.Identifier(name), sql.Literal(encoding)))
    try:
        with pytest.raises(
            MigrationError, match=rf"user_psql stores text as {encoding}.*ENCODING 'UTF8' TEMPLATE template0"
        ):
            migrate.upgrade("user_psql", postgres.url(name))
    finally:
        postgres.drop(name)
