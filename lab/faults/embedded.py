"""A folder -> the platform on embedded defaults: one process with Postgres and a Celery worker below it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from yarl import URL

from botberi.credentials import Credential, load_or_make
from botberi.postgres import free_port, running_url
from lab.faults.environment import PACE, START_SECONDS, base_environment
from lab.faults.processes import Service, children, command_of, preload
from lab.faults.proxy import TcpProxy

PLATFORM: Final = "platform"
_POSTMASTER: Final = "/bin/postgres -D"
_WORKER: Final = "workers.celery_app"
_GONE_SECONDS: Final = 30.0


class EmbeddedEnvironment:
    """`async with EmbeddedEnvironment(folder, tell) as environment:`; its parts are what `./start` starts."""

    def __init__(self, folder: Path, tell: Callable[..., None]) -> None:
        self.folder = folder
        self._state = folder / "state"
        self._ports = {"gateway": free_port(), "postgres": free_port()}
        self.services = {PLATFORM: Service(PLATFORM, "up", self._environment(), folder / "logs" / "platform.log", tell)}
        #: What the platform's callers come through: a subscriber's connection may be cut, and the platform live on.
        self.wires: dict[tuple[str, str], TcpProxy] = {}
        self._urls: dict[str, str] = {}
        self._stack = contextlib.AsyncExitStack()

    @property
    def endpoint(self) -> str:
        """Address for clients."""
        return f"http://127.0.0.1:{self.wires['clients', 'gateway'].port}/graphql"

    @property
    def user(self) -> Credential:
        """The account that runs agents."""
        return next(one for one in load_or_make(self._state) if one.role == "user")

    def database_url(self, name: str) -> str:
        """A database's URL: the same as long as the state folder is."""
        if name not in self._urls:
            self._urls[name] = running_url(self._state, name)
        return self._urls[name]

    def workers(self) -> list[int]:
        """The Celery worker, while it lives."""
        return [pid for pid in self._below() if _WORKER in command_of(pid)]

    async def start_services(self) -> None:
        """Start it and wait until it works."""
        service = self.services[PLATFORM]
        self._stack.push_async_callback(service.stop)
        service.start()
        await service.works(START_SECONDS)

    async def restart_postgres(self, number: signal.Signals) -> None:
        """End the server (SIGQUIT: immediate shutdown; SIGKILL); the platform starts it again."""
        found = [pid for pid in self._below() if _POSTMASTER in command_of(pid)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        async with asyncio.timeout(_GONE_SECONDS):
            while any(_POSTMASTER in command_of(pid) for pid in found):  # noqa: ASYNC110 - there is no signal for it
                await asyncio.sleep(0.05)

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Root's Postgres runs as another user, who must be able to enter.
        self.folder.chmod(0o711)
        (self.folder / "logs").mkdir(exist_ok=True)
        preload({})
        self.wires["clients", "gateway"] = await self._stack.enter_async_context(TcpProxy(self._ports["gateway"]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _below(self) -> list[int]:
        pid = self.services[PLATFORM].pid
        return children(pid) if pid is not None else []

    def _environment(self) -> dict[str, str]:
        return (
            base_environment()
            | PACE
            | {
                "BOTBERI_STATE_DIR": str(self._state),
                "BOTBERI_PORT": str(self._ports["gateway"]),
                "BOTBERI_POSTGRES_PORT": str(self._ports["postgres"]),
                "BOTBERI_PUBLIC_URL": str(URL.build(scheme="http", host="127.0.0.1", port=self._ports["gateway"])),
                "BOTBERI_GRAPHIQL": "false",
                # A message that a killed worker had taken comes back after this.
                "BOTBERI_PGMQ_VISIBILITY_SECONDS": "10",
            }
        )
