"""Settings -> every part of compose.yaml as a process of its own, two of gateway and instance, until Ctrl-C."""

import contextlib
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from botberi import credentials, data, table
from botberi.database_urls import DatabaseUrls
from botberi.parts import postgres
from botberi.parts.subgraphs import NAMES
from botberi.postgres_places import make_state_folder
from botberi.run import locks, logs, ports
from botberi.run.errors import StartError
from botberi.run.stopping import stop_signals, until_stopped
from botberi.run.supervisor import Part, Supervisor
from botberi.settings import UpSettings
from botberi.stack import nginx, programs, prometheus, rabbitmq, services

logger = logging.getLogger(__name__)

#: Parts of which two run.
TWICE: Final = ("gateway", "instance")
#: Service -> the database URLs that it gets, by the databases' first words; and its user of RabbitMQ.
_DATABASES: Final[Mapping[str, tuple[str, ...]]] = {
    "identity": ("user",),
    "catalog": ("shared",),
    "instance": ("shared",),
    "broker": ("user", "shared"),
    "dispatcher": ("shared",),
    "worker": ("shared",),
    "identity-worker": ("user", "shared"),
    "catalog-worker": ("shared",),
}
_USERS: Final[Mapping[str, str]] = {
    **{name: name for name in ("gateway", "broker", "dispatcher", "worker", "identity-worker", "beat", "flower")},
    "catalog-worker": "catalog",
}
#: Service -> the part whose database role it has.
_ROLES: Final[Mapping[str, str]] = {"catalog-worker": "catalog"}
_WORKERS: Final = ("worker", "identity-worker", "catalog-worker")
#: Service -> its command, where that is not its name.
_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {"identity-worker": ("worker", "--queues", "identity")}


async def up(settings: UpSettings) -> int:
    """Run until stopped. Raises `StartError` for a problem that a person can fix."""
    began = time.monotonic()
    logs.configure(settings.log_format, settings.log_level)
    settings = settings.model_copy(update={"state_dir": settings.state_dir.resolve()})
    _require(settings)
    make_state_folder(settings.state_dir)
    where = f"http://{settings.host}:{settings.port}"
    with stop_signals() as stop, locks.hold(settings.state_dir / "locks", ["full"], where):
        async with contextlib.AsyncExitStack() as stack:
            supervisor = Supervisor()
            stack.push_async_callback(supervisor.stop)
            accounts = await _start(settings, supervisor)
            console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120, highlight=False)
            table.show(
                console,
                supervisor.where,
                seconds=time.monotonic() - began,
                endpoint=f"{where.replace('127.0.0.1', 'localhost')}/graphql",
                accounts=accounts,
                passwords_in=credentials.kept_in(settings.state_dir, sys.stdout),
                bus="on RabbitMQ",
            )
            sys.stdout.flush()
            code = await until_stopped(supervisor, stop)
        logger.info("stopped")
    return code


def _require(settings: UpSettings) -> None:
    """Raise `StartError` where a program is missing, or something that this way of starting makes is named."""
    if names := programs.missing():
        programs.find(names[0])
    for name in ("amqp_url", "user_database_url", "shared_database_url", *(f"{name}_url" for name in NAMES)):
        if getattr(settings, name):
            raise StartError(f"--stack full starts its own: unset BOTBERI_{name.upper()}, or leave out --stack full.")
    ports.require_free(settings.host, settings.port, "nginx", "--port or BOTBERI_PORT")


async def _start(settings: UpSettings, supervisor: Supervisor) -> Sequence[credentials.Credential]:
    state = settings.state_dir / "stack"
    node = rabbitmq.Node(state / "rabbitmq", rabbitmq.Ports(*(ports.free() for _ in range(4))))
    server = postgres.server(settings)
    await supervisor.start(postgres.part(server), node.part())
    urls = DatabaseUrls.embedded(server)
    await data.migrate_both(*urls.owner)
    accounts = credentials.load_or_make(settings.state_dir) if settings.seed_accounts else ()
    await data.seed_both(*urls.owner, accounts)
    await supervisor.start(*_parts(settings, state, node, urls))
    return accounts


def _parts(settings: UpSettings, state: Path, node: rabbitmq.Node, urls: DatabaseUrls) -> list[Part]:
    names = (*NAMES, "gateway", "broker", "dispatcher", *_WORKERS, "beat", "flower")
    taken = {name: [ports.free() for _ in range(2 if name in TWICE else 1)] for name in names if name != "beat"}
    inside = ports.free()
    public = settings.public_url or f"http://{settings.host}:{settings.port}"
    common = {"BOTBERI_STATE_DIR": str(settings.state_dir), "BOTBERI_PUBLIC_URL": public}
    parts: list[Part] = []
    for name in names:
        shared = common | _databases(name, urls)
        if name in _USERS:
            shared["BOTBERI_AMQP_URL"] = node.url(_USERS[name])
        if name in ("identity", "identity-worker"):
            shared["BOTBERI_PUBLIC_URL"] = settings.peoples_url
        if name == "gateway":
            shared |= _of_the_gateway(taken, inside)
        elif name in NAMES:
            shared["BOTBERI_ASSERTION_JWKS_URL"] = f"http://127.0.0.1:{taken['gateway'][0]}/.well-known/jwks.json"
        for number, port in enumerate(taken.get(name, [0]), 1):
            listens = name in NAMES or name == "gateway"
            own = {"BOTBERI_PORT" if listens else "BOTBERI_METRICS_PORT": str(port)}
            page = f"http://127.0.0.1:{port}/{'health' if listens else 'ready'}"
            if name == "flower":
                own = {"FLOWER_PORT": str(port), "FLOWER_UNAUTHENTICATED_API": "true"}
                page = f"http://127.0.0.1:{port}/healthcheck"
            if name == "beat":
                own, page = {}, ""
            title = f"{name}-{number}" if name in TWICE else name
            parts.append(services.part(title, _COMMANDS.get(name, (name,)), shared | own, page or None))
    listen = f"{settings.host}:{settings.port}"
    after = [f"gateway-{number}" for number in (1, 2)]
    url = f"http://{settings.host}:{settings.port}/graphql"
    front = nginx.part(state / "nginx", listen, taken["gateway"], inside, taken["instance"], url)
    parts.append(Part(front.name, front.run, after=after, stop_timeout=front.stop_timeout))
    parts.append(prometheus.part(state / "prometheus", ports.free(), taken | {"rabbitmq": [node.ports.metrics]}))
    return parts


def _databases(name: str, urls: DatabaseUrls) -> dict[str, str]:
    both = dict(zip(("user", "shared"), urls.of(_ROLES.get(name, name)), strict=True)) if name in _DATABASES else {}
    return {f"BOTBERI_{which.upper()}_DATABASE_URL": both[which] for which in _DATABASES.get(name, ())}


def _of_the_gateway(taken: Mapping[str, Sequence[int]], inside: int) -> dict[str, str]:
    found = {f"BOTBERI_{name.upper()}_URL": f"http://127.0.0.1:{taken[name][0]}" for name in ("identity", "catalog")}
    found["BOTBERI_INSTANCE_URL"] = f"http://127.0.0.1:{inside}"
    found["BOTBERI_TRUSTED_PROXIES"] = "127.0.0.1"
    return found
