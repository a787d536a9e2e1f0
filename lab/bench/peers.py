"""Packages of peers from npm, installed into a cache folder outside git, and the node processes that run them."""

import hashlib
import json
import os
import select
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
#: Ignored by git; kept between runs, one folder for each set of packages. Several checkouts may share one.
CACHE = Path(os.environ.get("BOTBERI_BENCH_CACHE") or ROOT / ".botberi" / "bench").resolve()
INSTALL_TIMEOUT = 300.0


class PeersMissing(Exception):
    """node or npm isn't here, or npm can't install."""


def installed(packages: Mapping[str, str], timeout: float = INSTALL_TIMEOUT) -> Path:
    """A folder whose node_modules hold these versions; installs them the first time. Raises `PeersMissing`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise PeersMissing("The peers are npm packages: this needs node (20 or later) and npm on the PATH.")
    wanted = json.dumps({"private": True, "dependencies": dict(sorted(packages.items()))}, indent=1)
    folder = CACHE / f"npm-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    done = folder / "installed"
    if done.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(wanted)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=timeout)
    except subprocess.CalledProcessError as error:
        raise PeersMissing(f"npm can't install {', '.join(packages)}: {error.stderr.strip()[-500:]}") from error
    except subprocess.TimeoutExpired as error:
        raise PeersMissing(f"npm took more than {timeout:.0f} s to install {', '.join(packages)}.") from error
    done.touch()
    return folder


class PeerProcess:
    """One node process that answers a line of JSON with a line of JSON."""

    def __init__(self, script: Path, folder: Path, *, options: tuple[str, ...] = (), arguments: tuple[str, ...] = ()):
        self._process = subprocess.Popen(
            [shutil.which("node") or "node", *options, str(script), *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NODE_ENV": "production"},
        )
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, question: Any, timeout: float) -> dict[str, Any]:
        """The answer. Raises `TimeoutError`, or `ConnectionError` if the process ended; either way it is closed."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            line = self._line(timeout)
        except (TimeoutError, ConnectionError):
            self.close()
            raise
        answer: dict[str, Any] = json.loads(line)
        return answer

    def read(self, timeout: float) -> dict[str, Any]:
        """A line that the process prints unasked."""
        answer: dict[str, Any] = json.loads(self._line(timeout))
        return answer

    def _line(self, timeout: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([descriptor], [], [], timeout)
            if not ready:
                raise TimeoutError(f"no answer in {timeout:.0f} s")
            chunk = os.read(descriptor, 1 << 20)
            if not chunk:
                raise ConnectionError("the peer's process ended")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def close(self) -> None:
        """Ends the process; asked again, does nothing."""
        self._process.kill()
        self._process.wait(timeout=10)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:  # what wasn't written yet is of no use to anyone
                    continue
