"""Children, locks, ports and log lines."""

import asyncio
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from botberi import up as up_module
from botberi.run import locks, logs, ports
from botberi.run.children import child
from botberi.run.errors import StartError
from botberi.settings import UpSettings


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the platform's own handler writes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("text", "INFO", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def python(body: str) -> list[str]:
    return [sys.executable, "-u", "-c", textwrap.dedent(body)]


class TestChildren:
    async def test_its_lines_join_the_log_under_its_name(self, log: io.StringIO) -> None:
        said: list[str] = []
        body = """
            import json, sys
            print("hello")
            print("WARNING: careful", file=sys.stderr)
            print(json.dumps({"level": "error", "message": "broke", "instance": "7", "logger": "x"}))
            print("x" * 200_000)
            print("after")
        """
        async with child("worker", python(body), env=os.environ, stop_timeout=5, on_line=said.append) as process:
            await asyncio.wait_for(process.wait(), 20)
        lines = [line.split(maxsplit=1)[1] for line in log.getvalue().splitlines()]
        assert lines[0].split() == ["info", "worker", "hello"]
        assert lines[1].split() == ["warning", "worker", "WARNING:", "careful"]
        assert lines[2].split() == ["error", "worker", "broke", "instance=7"]
        assert "dropped" in lines[3]
        assert said[-1] == "after"

    async def test_it_is_asked_and_then_killed_with_its_own_children(self, tmp_path: Path) -> None:
        note = tmp_path / "pid"
        body = f"""
            import signal, subprocess, sys, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            open({str(note)!r}, "w").write(str(grandchild.pid))
            print("ready")
            time.sleep(60)
        """
        ready = asyncio.Event()
        began = time.monotonic()
        async with child(
            "stubborn", python(body), env=os.environ, stop_timeout=0.3, on_line=lambda _: ready.set()
        ) as one:
            await asyncio.wait_for(ready.wait(), 20)
        assert one.returncode == -signal.SIGKILL
        assert time.monotonic() - began < 20
        # It was killed with the group; the kernel may take a moment to say so.
        for _ in range(100):
            if not alive(int(note.read_text())):
                break
            await asyncio.sleep(0.05)
        assert not alive(int(note.read_text()))

    def test_it_does_not_outlive_a_killed_parent(self, tmp_path: Path) -> None:
        note = tmp_path / "pid"
        body = f"""
            import asyncio, os, sys
            from botberi.run.children import child
            async def main():
                command = [sys.executable, "-c", "import time; time.sleep(60)"]
                async with child("one", command, env=os.environ, stop_timeout=5) as process:
                    open({str(note)!r}, "w").write(str(process.pid))
                    await process.wait()
            asyncio.run(main())
        """
        parent = subprocess.Popen(python(body))
        deadline = time.monotonic() + 20
        while not (note.exists() and note.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent.kill()
        parent.wait()
        pid = int(note.read_text())
        while alive(pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestLocks:
    def test_the_second_learns_which_process_has_it(self, tmp_path: Path) -> None:
        body = f"""
            import sys
            from pathlib import Path
            from botberi.run import locks
            from botberi.run.errors import StartError
            try:
                with locks.hold(Path({str(tmp_path)!r}), ["broker", "gateway"], "http://there"): pass
            except StartError as error:
                print(error)
        """
        with locks.hold(tmp_path, ["gateway"], "http://here"):
            done = subprocess.run(python(body), capture_output=True, text=True, timeout=30, check=True)
        assert f"gateway is already running from this folder (process {os.getpid()}" in done.stdout
        assert "http://here" in done.stdout

    def test_it_is_free_afterwards(self, tmp_path: Path) -> None:
        for _ in range(2):
            with locks.hold(tmp_path, ["gateway", "broker"], "x"):
                pass

    def test_all_or_none(self, tmp_path: Path) -> None:
        with locks.hold(tmp_path, ["gateway"], "x"):
            with pytest.raises(StartError), locks.hold(tmp_path, ["broker", "gateway"], "y"):
                raise AssertionError("not reached")
            with locks.hold(tmp_path, ["broker"], "z"):
                pass


class TestPorts:
    def test_a_taken_port_is_named(self) -> None:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            with pytest.raises(StartError, match=rf"Port {port} on 127.0.0.1, where the gateway listens.*--port"):
                ports.require_free("127.0.0.1", port, "the gateway", "--port or BOTBERI_PORT")
        ports.require_free("127.0.0.1", port, "the gateway", "--port")

    def test_an_address_that_is_not_ours(self) -> None:
        with pytest.raises(StartError, match=r"can't listen on 192\.0\.2\.1"):
            ports.require_free("192.0.2.1", 8080, "the gateway", "--host")


class TestLogs:
    def test_a_line_says_which_part_it_is(self, log: io.StringIO) -> None:
        logging.getLogger("event_broker.relay").info("published")
        logging.getLogger("elsewhere").info("a library's")
        with logs.speaking_as("catalog"):
            logging.getLogger("sqlalchemy.pool").error("a pool's")
        logging.getLogger("x").info("given", extra={"part": "worker", "instance": 7})
        found = [line.split()[1:] for line in log.getvalue().splitlines()]
        assert found == [
            ["info", "broker", "published"],
            ["info", "botberi", "a", "library's"],
            ["error", "catalog", "a", "pool's"],
            ["info", "worker", "given", "instance=7"],
        ]

    def test_a_message_can_not_forge_a_line(self, log: io.StringIO) -> None:
        logging.getLogger("x").info("a name\n12:00:00.000 error gateway forged\r")
        assert len(log.getvalue().splitlines()) == 1

    def test_json_is_one_object_a_line(self) -> None:
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        stream = io.StringIO()
        try:
            logs.configure("json", "INFO", stream)
            try:
                raise ValueError("why")
            except ValueError:
                logging.getLogger("botberi_gateway").exception("failed", extra={"code": 3})
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
        [line] = stream.getvalue().splitlines()
        entry = json.loads(line)
        assert (entry["part"], entry["level"], entry["message"], entry["code"]) == ("gateway", "error", "failed", 3)
        assert "ValueError: why" in entry["exception"]


async def test_what_a_choice_of_parts_lacks_is_reported_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up_module.logs, "configure", lambda *_: None)
    with pytest.raises(StartError, match="BOTBERI_IDENTITY_URL and BOTBERI_CATALOG_URL"):
        await up_module.up(UpSettings(state_dir=tmp_path / "state"), frozenset({"gateway", "instance"}))
    assert not (tmp_path / "state").exists()
