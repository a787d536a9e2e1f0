"""A database -> its tables as files of `COPY`, of one snapshot; and such files -> an empty database's rows.

The files are text, which every version of Postgres reads; they hold no schema: a restore migrates an empty database to
the backup's revision first.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from botberi.run.errors import StartError

_CHUNK: Final = 1 << 20
#: The table in which Alembic keeps the revision: a migration writes it.
_REVISION: Final = "alembic_version"
_TABLES: Final = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
_PARTITIONS: Final = "SELECT inhrelid::regclass::text FROM pg_inherits"
_COLUMNS: Final = """
    SELECT a.attname, t.typname FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
"""
_REFERENCES: Final = """
    SELECT c.relname, f.relname FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
        JOIN pg_class AS f ON f.oid = k.confrelid
    WHERE k.contype = 'f' AND k.conrelid <> k.confrelid AND c.relnamespace = 'public'::regnamespace
"""
_TRIGGERS: Final = """
    SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgparentid = 0
"""
_SEQUENCES: Final = """
    SELECT s.relname, t.relname, a.attname FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_class AS t ON t.oid = d.refobjid
        JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE t.relnamespace = 'public'::regnamespace
"""


@contextmanager
def snapshot(url: str) -> Iterator[psycopg.Connection]:
    """A connection that sees the database as it is now until the block ends."""
    with psycopg.connect(url, connect_timeout=10, application_name="botberi-backup") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        connection.execute("SET statement_timeout = 0")
        # The snapshot is the first statement's that reads: from here on it stands.
        connection.execute("SELECT count(*) FROM pg_class")
        yield connection


def revision(connection: psycopg.Connection) -> str:
    """The migration that the database is at. Raises `StartError` for one without our schema."""
    if connection.execute("SELECT to_regclass('public.alembic_version') IS NULL").fetchone() == (True,):
        raise StartError("This database was never migrated: there is nothing to back up.")
    [(found,)] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(found)


def dump(connection: psycopg.Connection, folder: Path) -> dict[str, int]:
    """Write a file a table; return how many rows each has."""
    folder.mkdir(parents=True)
    rows: dict[str, int] = {}
    for table in _ordered(connection):
        names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in _columns(connection, table))
        # With the names as its first line: a restore takes them from there.
        copy = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT WITH (HEADER true, FORMAT text)")
        name = sql.Identifier("public", table)
        if connection.info.server_version < 150000:
            raise StartError("A backup needs Postgres 15 or later.")
        with connection.cursor() as cursor, (folder / f"{table}.copy").open("wb") as file:
            with cursor.copy(copy.format(names, name)) as out:
                for data in out:
                    file.write(data)
            rows[table] = cursor.rowcount
    return rows


def load(url: str, folder: Path) -> dict[str, int]:
    """Fill an empty, migrated database in one transaction; return how many rows each table has. Raises `StartError`."""
    loaded: dict[str, int] = {}
    with psycopg.connect(url, connect_timeout=10, application_name="botberi-restore") as connection:
        connection.execute("SET LOCAL statement_timeout = 0")
        tables = _ordered(connection)
        _require_empty(connection, tables)
        if unknown := {path.stem for path in folder.glob("*.copy")} - set(tables):
            raise StartError(f"The backup has tables that this database lacks: {', '.join(sorted(unknown))}.")
        for table in tables:
            file = folder / f"{table}.copy"
            if file.exists():
                with _quiet(connection, table):
                    loaded[table] = _copy_in(connection, table, file)
                    _forget_transactions(connection, table)
        for sequence, table, column in connection.execute(_SEQUENCES).fetchall():
            statement = sql.SQL("SELECT setval({}, coalesce((SELECT max({}) FROM {}), 0) + 1, false)")
            name = sql.Literal(f'public."{sequence}"')
            connection.execute(statement.format(name, sql.Identifier(column), sql.Identifier("public", table)))
    return loaded


def _copy_in(connection: psycopg.Connection, table: str, file: Path) -> int:
    with file.open("rb") as source:
        # Names of columns as the backup had them, separated by tabs.
        names = source.readline().decode().rstrip("\n").split("\t")
        columns = sql.SQL(", ").join(sql.Identifier(name) for name in names)
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier("public", table), columns)
        with connection.cursor() as cursor:
            with cursor.copy(statement) as sink:
                while data := source.read(_CHUNK):
                    sink.write(data)
            return cursor.rowcount


def _forget_transactions(connection: psycopg.Connection, table: str) -> None:
    """Numbers of transactions are those of another server, where they may be far ahead: all of them are over."""
    for name, kind in _columns(connection, table):
        if kind == "xid8":
            statement = sql.SQL("UPDATE {} SET {} = '3'")
            connection.execute(statement.format(sql.Identifier("public", table), sql.Identifier(name)))


@contextmanager
def _quiet(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """Within the block no trigger of ours writes events, versions or history: rows come as they were."""
    name = sql.Identifier("public", table)
    triggers = connection.execute(_TRIGGERS, [f'public."{table}"']).fetchall()
    connection.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(name))
    yield
    for trigger, enabled in triggers:
        kind = enabled.decode() if isinstance(enabled, bytes) else enabled
        how = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA", "D": "DISABLE"}[kind]
        statement = sql.SQL("ALTER TABLE {} " + how + " TRIGGER {}")
        connection.execute(statement.format(name, sql.Identifier(trigger)))


def _require_empty(connection: psycopg.Connection, tables: Sequence[str]) -> None:
    for table in tables:
        statement = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier("public", table))
        if connection.execute(statement).fetchone() == (True,):
            raise StartError(
                f"{connection.info.dbname} is not empty ({table} has rows). Restore into new databases: what is there "
                "would be mixed with what comes."
            )


def _ordered(connection: psycopg.Connection) -> list[str]:
    """Tables with rows of their own, each after those that it refers to."""
    partitions = {name.removeprefix("public.").strip('"') for (name,) in connection.execute(_PARTITIONS)}
    tables = {name for (name,) in connection.execute(_TABLES)} - {_REVISION} - partitions
    graph: Mapping[str, set[str]] = {table: set() for table in sorted(tables)}
    for table, other in connection.execute(_REFERENCES):
        if table in tables and other in tables:
            graph[table].add(other)
    return list(TopologicalSorter(graph).static_order())


def _columns(connection: psycopg.Connection, table: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind in connection.execute(_COLUMNS, [f'public."{table}"'])]
