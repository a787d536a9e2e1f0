"""A command -> a server process (pinned to a core), its CPU clock, memory and end."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a port on which no process listens just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def pinned(command: Sequence[str], cores: str | None) -> list[str]:
    """The command on these cores alone (`0`, `0,1`), where `taskset` is here and the machine has them."""
    if cores is None or shutil.which("taskset") is None:
        return list(command)
    return ["taskset", "-c", cores, *command]


class Server:
    """A process of ours and all below it."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pipe: bool = False,
    ) -> None:
        self.log = log
        self.started = time.perf_counter()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                list(command),
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def processes(self) -> list[int]:
        """The process itself and those below it."""
        children: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit() and (fields := _stat(int(name))):
                children.setdefault(int(fields[1]), []).append(int(name))
        found, todo = [], [self.pid]
        while todo:
            found.append(todo.pop())
            todo += children.get(found[-1], [])
        return found

    def cpu(self) -> dict[int, float]:
        """Seconds of CPU of each living process, to the nanosecond, with those of its ended children."""
        return {pid: seconds for pid in self.processes() if (seconds := cpu_of(pid)) is not None}

    def memory(self) -> float:
        """Resident megabytes, all processes together."""
        return sum(resident(pid) for pid in self.processes())

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-1500:].strip()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL, to the whole session that it began."""
        for number, timeout_seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_seconds)
                break
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._process.stdout is not None:
            self._process.stdout.close()


def cpu_of(pid: int) -> float | None:
    """CPU seconds of the process (user and system, all its threads) and its ended children; None when it is gone."""
    fields = _stat(pid)
    if not fields:
        return None
    try:
        own = time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid(3) gives: CPUCLOCK_SCHED of a process
    except OSError:
        return None
    return own + (int(fields[13]) + int(fields[14])) / TICKS


def _stat(pid: int) -> list[str]:
    """From the third field of /proc/PID/stat on: what is before it holds the name, and that may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()


def resident(pid: int, *, peak: bool = False) -> float:
    """Megabytes of memory of the process now, or its peak; 0 when it is gone."""
    name = "VmHWM:" if peak else "VmRSS:"
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)
