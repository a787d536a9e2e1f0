"""A private Postgres for the tests of one process, with databases cut from migrated templates."""

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from yarl import URL

from botberi.postgres import EmbeddedPostgres
from shared_schema.ids import new_id
from shared_schema.migrate import DATABASES, DatabaseName, upgrade


class TestPostgres:
    """The server (`url(dbname)`), and fresh databases on it."""

    __test__ = False

    def __init__(self, external: str | None = None) -> None:
        """Take the URL of a superuser on a server that runs already, or start the embedded one."""
        self._external = external
        self._folder = tempfile.TemporaryDirectory(prefix="botberi-test-", dir="/tmp")
        # Root's server runs as another user, who must be able to enter.
        Path(self._folder.name).chmod(0o711)
        self._server = EmbeddedPostgres(Path(self._folder.name) / "state", 0, (), durable=False)
        self._templates: dict[DatabaseName, str] = {}

    def __enter__(self) -> Self:
        if self._external is None:
            self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._folder.cleanup()

    @property
    def server(self) -> EmbeddedPostgres:
        """The server itself, for tests that stop and start it."""
        return self._server

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server."""
        if self._external is not None:
            return str(URL(self._external).with_path(f"/{database}"))
        return self._server.url(database)

    def execute(self, statement: sql.Composed) -> None:
        """Run one statement of administration."""
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)

    def create(self, template: str | None = None) -> str:
        """Create a database, empty or like `template`, and return its name."""
        name = f"test_{new_id().hex}"
        # Copying files is quicker than copying through the log on the embedded server, which does not
        # sync; elsewhere it would force a checkpoint.
        strategy = "FILE_COPY" if self._external is None else "WAL_LOG"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY " + strategy)
        self.execute(statement.format(sql.Identifier(name), sql.Identifier(template or "template1")))
        return name

    def migrated(self, database: DatabaseName) -> str:
        """Create a database with the schema of `database`, and return its name.

        Migrations run once a session; the rest are copies, which take some 20 ms each.
        """
        if database not in self._templates:
            name = self.create()
            upgrade(database, self.url(name))
            self._templates[database] = name
        return self.create(self._templates[database])

    def drop(self, name: str) -> None:
        """Drop a database, and end its connections."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


__all__ = ["DATABASES", "TestPostgres"]
