"""compose.yaml as a project of its own on this machine's engine: started, asked, scaled, torn down."""

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from lab.checks import containers
from tests.platform.running import ROOT, free_ports

PROJECT = "botberi-test"
TAG = "test"


class Stack:
    """`with Stack() as stack:` all services that can be had, healthy; afterwards neither they nor their data."""

    def __init__(self, files: Sequence[str] = ("compose.yaml",), environment: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="botberi-containers-", dir="/tmp", ignore_cleanup_errors=True)
        # Entered by the users of the containers.
        Path(self._folder.name).chmod(0o711)
        [self.port] = free_ports(1)
        self._files = files
        self._environment = dict(
            containers.environment(),
            BOTBERI_DATA=f"{self._folder.name}/data",
            BOTBERI_PUBLIC_PORT=str(self.port),
            BOTBERI_TAG=TAG,
            **(environment or {}),
        )
        #: Services whose image could not be had (Grafana's, where no registry is reached).
        self.left_out: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *arguments: str, timeout: float = 600.0, check: bool = True) -> str:
        """What `docker compose` says on standard output."""
        files = [part for file in self._files for part in ("-f", file)]
        done = subprocess.run(
            ["docker", "compose", "-p", PROJECT, *files, *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"docker compose {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def up(self, *arguments: str) -> None:
        """`docker compose up --wait` with what is there; fails unless it ends with 0."""
        services = self.compose("config", "--services").split()
        self.compose("up", "-d", "--no-build", "--wait", *arguments, *sorted(set(services) - self.left_out))

    def containers(self, service: str) -> list[str]:
        """Names of the running containers of a service."""
        listed = self.compose("ps", "--format", "{{.Name}}", service, check=False)
        return sorted(listed.split())

    def page(self, container: str, port: int, path: str) -> str:
        """A page of a container, asked from within."""
        program = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}{path}').read().decode())"
        done = subprocess.run(
            ["docker", "exec", container, "python3", "-c", program],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def account(self) -> tuple[str, str]:
        """E-mail and password of the development account, as the documentation has it."""
        said = self.compose("run", "--rm", "--no-deps", "seed", "cat", "/var/lib/botberi/credentials.json")
        kept = json.loads(said[said.index("{") :])["user"]
        return kept["email"], kept["password"]

    def kill(self, container: str) -> None:
        """End it at once, as a crash of its machine would."""
        subprocess.run(["docker", "kill", container], capture_output=True, timeout=60, check=True)

    def start(self, container: str) -> None:
        subprocess.run(["docker", "start", container], capture_output=True, timeout=60, check=True)

    def __enter__(self) -> Self:
        try:
            loaded = yaml.safe_load(self.compose("config"))
            images = {name: service["image"] for name, service in loaded["services"].items()}
            # The Dockerfile's base, and the services' own.
            public = {image for image in images.values() if not image.startswith("botberi:")}
            base = containers.base_of("infra/container/Dockerfile")
            present = containers.obtain([base, *sorted(public)])
            self.left_out = {name for name, image in images.items() if image in public - present}
            assert self.left_out <= {"grafana"}, f"no image for {self.left_out}"
            containers.build(f"botberi:{TAG}", "infra/container/Dockerfile")
            self.compose("down", "--volumes", "--remove-orphans", "--timeout", "10")
            self.up()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None or os.environ.get("BOTBERI_TEST_LOGS"):
            print(self.compose("logs", "--tail", "40", check=False))
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "10", check=False)
        # Its files belong to the users of the containers.
        subprocess.run(
            [
                "docker",
                "run",
                "--rm",
                "--user=root",
                "-v",
                f"{self._folder.name}:/data",
                f"botberi:{TAG}",
                "rm",
                "-rf",
                "/data/data",
            ],
            capture_output=True,
            timeout=60,
            check=False,
        )
        self._folder.cleanup()


def get_json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.loads(answer.read())


def eventually(look: Any, seconds: float, what: str) -> Any:
    """What `look` returns once that is true."""
    deadline, seen = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            seen = look()
        except OSError as error:
            seen = error
        if seen and not isinstance(seen, OSError):
            return seen
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds:.0f} s: {what}; last {seen!r}")
