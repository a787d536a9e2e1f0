"""Starting, starting twice, stopping, parts that die: the operator's view."""

import asyncio
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.platform.clients import Client
from tests.platform.running import ROOT, RunningPlatform, clean_environment, free_ports, processes_of

BOTBERI = [sys.executable, "-m", "botberi.cli"]


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command of botberi that ends by itself."""
    return subprocess.run(
        [*BOTBERI, *arguments],
        cwd=ROOT,
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_table_says_what_runs_where_and_how_to_sign_in(embedded: RunningPlatform) -> None:
    text = embedded.output.text
    for part in (
        "Postgres",
        "identity subgraph",
        "catalog subgraph",
        "instance subgraph",
        "event broker",
        "dispatcher",
    ):
        assert part in text
    assert f"http://localhost:{embedded.port}/graphql" in text
    for role in ("admin", "user"):
        email, password = embedded.password(role)
        assert f"sign in ({role}): {email}" in text
        assert password not in text, "output that is no terminal is a log"
    assert f"Their passwords are in {embedded.state_dir / 'credentials.json'}" in text
    assert "A first query to paste:" in text


def test_every_log_line_says_which_part_it_is(embedded: RunningPlatform) -> None:
    until = next(i for i, line in enumerate(embedded.output.lines) if "Botberi is running" in line)
    pattern = re.compile(
        r"\d\d:\d\d:\d\d\.\d{3} (debug|info|warning|error)\s+"
        r"(botberi|postgres|identity|catalog|instance|broker|audit|dispatcher|reaper|worker|identity-worker|catalog-tasks"
        r"|gateway|graphiql)\s"
    )
    lines = [line for line in embedded.output.lines[:until] if line]
    assert len(lines) > 8
    assert [line for line in lines if not pattern.match(line)] == []


def test_secrets_are_kept_from_others(embedded: RunningPlatform) -> None:
    kept = [embedded.state_dir / "credentials.json", *(embedded.state_dir / "keys").iterdir()]
    for path in kept:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_second_up_says_who_runs(embedded: RunningPlatform) -> None:
    port, postgres_port = free_ports(2)
    done = run("up", f"--port={port}", f"--postgres-port={postgres_port}", f"--state-dir={embedded.state_dir}")
    assert done.returncode == 1
    assert "already running" in done.stderr
    assert f"process {embedded.process.pid}" in done.stderr
    assert embedded.base in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "variable"), [("--port", "BOTBERI_PORT"), ("--postgres-port", "BOTBERI_POSTGRES_PORT")]
)
def test_a_taken_port_is_named_with_the_way_to_choose_another(
    tmp_path_factory: pytest.TempPathFactory, option: str, variable: str
) -> None:
    state = tmp_path_factory.mktemp("taken")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        ports = dict(zip(("--port", "--postgres-port"), free_ports(2), strict=True)) | {option: taken}
        done = run("up", f"--state-dir={state}", *(f"{name}={port}" for name, port in ports.items()))
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1].lower()
    assert f"port {taken}" in message
    assert variable.lower() in message
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["up", "--only", "gatewy"], {}, "knows no part gatewy"),
        (["up", "--only", "gateway"], {}, "BOTBERI_IDENTITY_URL"),
        (["up"], {"BOTBERI_USER_DATABASE_URL": "postgresql://x@127.0.0.1/user_psql"}, "BOTBERI_SHARED_DATABASE_URL"),
        (["up"], {"BOTBERI_AMQP_URL": "http://nope"}, "BOTBERI_AMQP_URL"),
        (["up"], {"BOTBERI_PORT": "many"}, "BOTBERI_PORT"),
        (["migrate"], {}, "or set BOTBERI_USER_DATABASE_URL"),
        (["identity"], {}, "is not set"),
        (["broker"], {}, "is not set"),
    ],
)
def test_wrong_settings_are_reported_in_words(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    ports = [f"BOTBERI_{name}" for name in ("PORT", "POSTGRES_PORT")]
    settings = (
        dict(zip(ports, map(str, free_ports(2)), strict=True)) | {"BOTBERI_STATE_DIR": str(tmp_path)} | environment
    )
    done = run(*arguments, environment=settings)
    assert done.returncode == 1
    assert said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


async def test_stopping_leaves_nothing_and_starting_again_finds_everything() -> None:
    with RunningPlatform() as first:
        admin = first.password("admin")
        async with Client(first.url) as client:
            token = await client.sign_in(*admin)
        began = time.monotonic()
        assert first.stop(signal.SIGINT) == 0
        assert time.monotonic() - began < 20
        assert first.output.lines[-1].endswith("stopped")
        assert processes_of(first.state_dir) == []

        with RunningPlatform(state_dir=first.state_dir) as second:
            assert not [line for line in second.output.lines if "migrated from" in line], "what takes long is done once"
            assert second.password("admin") == admin
            async with Client(second.url, token) as client:
                assert (await client.ask("{ me { role } }"))["me"]["role"] == "ADMIN"
            assert second.stop(signal.SIGTERM) == 0
        assert processes_of(first.state_dir) == []


def test_ctrl_c_while_it_starts_stops_cleanly() -> None:
    platform = RunningPlatform()
    platform.launch()
    platform.output.wait_for(r"postgres\s+ready", 60)
    assert platform.stop(signal.SIGINT) == 130
    assert processes_of(platform.state_dir) == []


async def test_parts_that_die_are_started_again() -> None:
    with RunningPlatform() as platform:
        for name, pattern in (("worker", "workers.celery_app"), ("postgres", "bin/postgres -D")):
            said = len(platform.output.lines)
            [victim] = [pid for pid in pids_of(platform.state_dir, pattern) if is_leader(pid, pattern)]
            os.kill(victim, signal.SIGKILL)
            platform.output.wait_for(rf"error\s+{name}\s+{name} died", 20)
            deadline = time.monotonic() + 60
            while not any(re.search(rf"info\s+{name}\s+ready", line) for line in platform.output.lines[said:]):
                assert time.monotonic() < deadline, platform.output.text
                await asyncio.sleep(0.1)
        async with Client(platform.url) as client:
            deadline = time.monotonic() + 30
            while "data" not in (answer := await client.execute("{ agents { totalCount } }")) or answer.get("errors"):
                assert time.monotonic() < deadline, answer
                await asyncio.sleep(0.5)


def pids_of(state_dir: Path, pattern: str) -> list[int]:
    """Processes whose command line or environment names the state folder, and whose command line has `pattern`."""
    return [int(line.split()[0]) for line in processes_of(state_dir, with_pid=True) if pattern in line]


def is_leader(pid: int, pattern: str) -> bool:
    """True if its parent is another kind of process: a pool's processes have the pool as parent."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pattern not in Path(f"/proc/{parent}/cmdline").read_bytes().replace(b"\0", b" ").decode()
