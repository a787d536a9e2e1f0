"""A folder -> the whole platform in its real configuration: servers, a process for each part, a proxy on every wire."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from botberi.credentials import Credential, load_or_make
from botberi.postgres import DATABASES, EmbeddedPostgres, free_port
from lab.faults.processes import Service, once, preload
from lab.faults.proxy import TcpProxy
from lab.faults.rabbitmq import RabbitNode
from shared_schema.killpoints import VARIABLE

#: A service's name -> its part, the servers that it talks to, and what it says once it works.
SERVICES: Final[Mapping[str, tuple[str, tuple[str, ...], str]]] = {
    "identity": ("identity", ("postgres",), "ready"),
    "catalog": ("catalog", ("postgres",), "ready"),
    "instance": ("instance", ("postgres",), "ready"),
    "gateway": ("gateway", ("rabbitmq",), "ready"),
    "relay-1": ("broker", ("postgres", "rabbitmq"), "ready"),
    "relay-2": ("broker", ("postgres", "rabbitmq"), "ready"),
    "dispatcher-1": ("dispatcher", ("postgres", "rabbitmq"), "ready"),
    "dispatcher-2": ("dispatcher", ("postgres", "rabbitmq"), "ready"),
    "worker-1": ("worker", ("postgres", "rabbitmq"), " ready."),
    "worker-2": ("worker", ("postgres", "rabbitmq"), " ready."),
}
SUBGRAPHS: Final = ("identity", "catalog", "instance")
RELAYS: Final = ("relay-1", "relay-2")
DISPATCHERS: Final = ("dispatcher-1", "dispatcher-2")
WORKERS: Final = ("worker-1", "worker-2")
#: A run's lease; what is noticed by waiting is noticed sooner than in production, by the same code.
LEASE_SECONDS: Final = 6.0
PACE: Final = {
    "BOTBERI_RUN_LEASE_SECONDS": str(LEASE_SECONDS),
    "BOTBERI_RUN_HEARTBEAT_SECONDS": "2",
    "BOTBERI_REAPER_INTERVAL_SECONDS": "1",
    "BOTBERI_SWEEP_INTERVAL_SECONDS": "1",
    "BOTBERI_DISPATCH_CLAIM_TIMEOUT_SECONDS": "10",
    "BOTBERI_DISPATCH_TIMEOUT_SECONDS": "10",
    "BOTBERI_RUN_MAX_ATTEMPTS": "5",
    "BOTBERI_WORKER_CONCURRENCY": "2",
    "BOTBERI_INSTANCES_ACTIVE_PER_ACCOUNT": "100000",
    # Half of what is open at once: some wait their turn.
    "BOTBERI_RUNS_PER_ACCOUNT": "24",
}
START_SECONDS: Final = 300.0


class Environment:
    """`async with Environment(folder, tell) as environment:` everything runs; afterwards nothing of it does."""

    def __init__(self, folder: Path, tell: Callable[..., None], *, warm: bool = True) -> None:
        self.folder = folder
        self.kill_points = folder / "kill-points"
        self.rabbitmq = RabbitNode()
        self.postgres = EmbeddedPostgres(folder / "state", 0)
        self.services: dict[str, Service] = {}
        #: (service, server) -> the proxy on the wire between them.
        self.wires: dict[tuple[str, str], TcpProxy] = {}
        self._tell = tell
        self._warm = warm
        self._ports: dict[str, int] = {}
        self._stack = contextlib.AsyncExitStack()

    @property
    def endpoint(self) -> str:
        """Address for clients."""
        return f"http://127.0.0.1:{self._ports['gateway']}/graphql"

    @property
    def user(self) -> Credential:
        """The account that runs agents."""
        return next(one for one in load_or_make(self.folder / "state") if one.role == "user")

    def database_url(self, name: str) -> str:
        """A database's URL, past its proxies."""
        return self.postgres.url(name)

    def workers(self) -> list[int]:
        """The Celery workers that live."""
        return [pid for name in WORKERS if (pid := self.services[name].pid) is not None]

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def start_services(self) -> None:
        """Start every part and wait until each works."""
        for name in SERVICES:
            self._stack.push_async_callback(self.services[name].stop)
            self.services[name].start()
        await asyncio.gather(*(service.works(START_SECONDS) for service in self.services.values()))
        await self._until_healthy()

    # -- servers -------------------------------------------------------------------------------

    async def restart_rabbitmq(self, *, wipe: bool = False) -> None:
        """Kill the node (`kill -9`) and start it again, with its data or without."""
        await asyncio.to_thread(self.rabbitmq.kill)
        if wipe:
            self.rabbitmq.wipe()
        await asyncio.to_thread(self.rabbitmq.start, START_SECONDS)

    async def restart_postgres(self, number: signal.Signals) -> None:
        """End the server at once (SIGQUIT: immediate shutdown; SIGKILL) and start it again."""
        pid = self.postgres.pid
        if pid is not None:
            os.kill(pid, number)
        while self.postgres.pid is not None:  # noqa: ASYNC110 - a process sends no signal when it has ended
            await asyncio.sleep(0.05)
        await asyncio.to_thread(self.postgres.stop)
        await asyncio.to_thread(self.postgres.start, START_SECONDS)

    # -- the start -----------------------------------------------------------------------------

    async def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Root's Postgres runs as another user, who must be able to enter.
        self.folder.chmod(0o711)
        self.kill_points.mkdir(exist_ok=True)
        preload({VARIABLE: str(self.kill_points)})
        self._stack.callback(self.postgres.stop)
        self._stack.push(self.rabbitmq.__exit__)
        await asyncio.gather(
            asyncio.to_thread(self.rabbitmq.start, START_SECONDS),
            asyncio.to_thread(self.postgres.start, START_SECONDS),
        )
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        given = base_environment() | self._databases({}) | {"BOTBERI_STATE_DIR": str(self.folder / "state")}
        for command in ("migrate", "seed"):
            await once(command, given, logs / f"{command}.log")
        self._ports = {name: free_port() for name in (*SUBGRAPHS, "gateway")}
        for name, (part, servers, says) in SERVICES.items():
            for server in servers:
                port = self.postgres.port if server == "postgres" else self.rabbitmq.port
                self.wires[name, server] = await self._stack.enter_async_context(TcpProxy(port))
            log = logs / f"{name}.log"
            self.services[name] = Service(name, part, self._environment(name), log, self._tell, says=says)

    def _databases(self, wires: Mapping[str, TcpProxy]) -> dict[str, str]:
        port = wires["postgres"].port if "postgres" in wires else self.postgres.port
        urls = {name: str(URL(self.postgres.url(name)).with_port(port)) for name in DATABASES}
        return {f"BOTBERI_{name.removesuffix('_psql').upper()}_DATABASE_URL": url for name, url in urls.items()}

    def _environment(self, name: str) -> dict[str, str]:
        wires = {server: proxy for (service, server), proxy in self.wires.items() if service == name}
        environment = base_environment() | PACE | {VARIABLE: str(self.kill_points)}
        environment["BOTBERI_RUN_WARM_CHILDREN"] = str(self._warm).lower()
        environment["BOTBERI_STATE_DIR"] = str(self.folder / "state")
        if "postgres" in wires:
            environment |= self._databases(wires)
        if "rabbitmq" in wires:
            environment["BOTBERI_AMQP_URL"] = str(URL(self.rabbitmq.url).with_port(wires["rabbitmq"].port))
        if name in self._ports:
            environment["BOTBERI_PORT"] = str(self._ports[name])
        if name == "gateway":
            for subgraph in SUBGRAPHS:
                environment[f"BOTBERI_{subgraph.upper()}_URL"] = f"http://127.0.0.1:{self._ports[subgraph]}"
        elif name in SUBGRAPHS:
            keys = URL(self.endpoint).with_path("/.well-known/jwks.json")
            environment["BOTBERI_ASSERTION_JWKS_URL"] = str(keys)
        return environment

    async def _until_healthy(self) -> None:
        async with aiohttp.ClientSession() as session, asyncio.timeout(START_SECONDS):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(URL(self.endpoint).with_path("/ready")) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.1)


def base_environment() -> dict[str, str]:
    """The environment without what would configure a platform otherwise."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOTBERI_")}
    return kept | {"PYTHONUNBUFFERED": "1", "C_FORCE_ROOT": "1"}
