"""`botberi up` as a child process of the tests, with a folder and ports of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
READY = "Botberi is running"


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on at this moment, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tests' environment without what would configure a platform, and with `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOTBERI_")}
    return kept | dict(extra or {})


class Output:
    """What a process says, line by line, readable while it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._process = process
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, timeout: float) -> re.Match[str]:
        """The first line that matches; fails with everything that was said."""
        deadline, seen = time.monotonic() + timeout, 0
        while time.monotonic() < deadline:
            ended = self._process.poll() is not None
            if ended:
                self._thread.join(5)
            while seen < len(self.lines):
                if found := re.search(pattern, self.lines[seen]):
                    return found
                seen += 1
            if ended:
                break
            time.sleep(0.02)
        raise AssertionError(f"never said {pattern!r} (exit code {self._process.poll()}):\n{self.text}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))


# All tests call from one address, so it may register more accounts than anybody else. Most need an account, not the
# mail that comes before it (test_account_story.py).
_PACE = {"BOTBERI_REGISTRATIONS_PER_HOUR": "10000", "BOTBERI_REGISTRATION_CONFIRMED": "false"}


class RunningPlatform:
    """`with RunningPlatform() as platform:` the platform, started and healthy; stopped afterwards."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        state_dir: Path | None = None,
        command: Sequence[str] = (sys.executable, "-m", "botberi.cli", "up"),
        cwd: Path = ROOT,
        default: bool = False,
    ) -> None:
        """`default` leaves the state folder to the platform; `state_dir` says where that is."""
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if state_dir is None:
            self._folder = tempfile.TemporaryDirectory(prefix="botberi-up-", dir="/tmp", ignore_cleanup_errors=True)
            # Root's Postgres runs as another user, who must be able to enter.
            Path(self._folder.name).chmod(0o711)
            state_dir = Path(self._folder.name) / "state"
        self.state_dir = state_dir
        self.port, self.postgres_port = free_ports(2)
        self._environment = clean_environment(
            {"PYTHONUNBUFFERED": "1", "TEST_PLATFORM": str(state_dir), **_PACE} | dict(environment or {})
        )
        self._command = [
            *command,
            f"--port={self.port}",
            f"--postgres-port={self.postgres_port}",
            *([] if default else [f"--state-dir={self.state_dir}"]),
            *arguments,
        ]
        self._cwd = cwd
        self.process: subprocess.Popen[str]
        self.output: Output
        self.seconds = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def password(self, role: str) -> tuple[str, str]:
        """E-mail and password of the development account."""
        kept = json.loads((self.state_dir / "credentials.json").read_text())[role]
        return kept["email"], kept["password"]

    def launch(self) -> Self:
        """Start, without waiting."""
        self.process = subprocess.Popen(
            self._command,
            cwd=self._cwd,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.output = Output(self.process)
        return self

    def start(self, timeout: float = 90.0) -> Self:
        """Start, and wait until it says that it runs."""
        began = time.monotonic()
        self.launch()
        self.output.wait_for(READY, timeout)
        self.output.wait_for("Ctrl-C stops everything", 5)
        self.seconds = time.monotonic() - began
        return self

    def stop(self, number: signal.Signals = signal.SIGINT, timeout: float = 40.0) -> int:
        """Ask it to end; its exit code. What is left of it is killed."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._folder is not None:
            self._folder.cleanup()


def processes_of(state_dir: Path, *, with_pid: bool = False) -> list[str]:
    """Command lines of live processes that belong to a platform with this state folder."""
    found = []
    needle = os.fsencode(state_dir)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if command and (needle in command or needle in (entry / "environ").read_bytes()):
                text = command.replace(b"\0", b" ").decode(errors="replace")
                found.append(f"{entry.name} {text}" if with_pid else text)
    return found
