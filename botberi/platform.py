"""Settings and the parts wanted -> what they share, and the `Part`s in the order in which they start."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from prometheus_client import CollectorRegistry

from botberi.credentials import Credential
from botberi.database_urls import DatabaseUrls
from botberi.parts import background, gateway, subgraphs, worker
from botberi.run.errors import StartError
from botberi.run.supervisor import Part
from botberi.settings import UpSettings
from botberi.wiring import downloads, keys
from botberi.wiring.assertion import AssertionSigner
from botberi.wiring.events import BusEventSource
from botberi.wiring.internal_call import HttpCall, InternalCall, LocalCall
from botberi.wiring.supergraph import read_sdl, source_at
from botberi_gateway.engine import SubgraphSource
from event_broker.audit_trail import AuditTrail
from event_broker.bus import Bus, BusUnavailable, TopologyMismatch
from event_broker.factory import make_bus
from event_broker.service import EventBroker
from shared_schema.artifacts import make_storage
from shared_schema.database import Database, PoolOptions
from shared_schema.migrate import DATABASES
from workers.broker import IDENTITY_QUEUE
from workers.catalog.counting import Counting
from workers.catalog.settings import CatalogWorkerSettings
from workers.celery_app import create_app as create_celery
from workers.dispatch import Dispatcher
from workers.runs.janitor import Janitor
from workers.runs.reaper import Reaper
from workers.schedules import Scheduler
from workers.settings import IdentityWorkerSettings, WorkerSettings

logger = logging.getLogger(__name__)

PARTS: Final = (
    "postgres",
    *subgraphs.NAMES,
    "broker",
    "audit",
    "dispatcher",
    "reaper",
    "catalog-tasks",
    "worker",
    "identity-worker",
    "gateway",
)
#: Parts that read or write rows themselves.
_ON_DATABASES: Final = frozenset(PARTS) - {"postgres", "gateway"}


def chosen(only: str | None) -> frozenset[str]:
    """The parts that `--only` names; all without it. Raises `StartError`."""
    if only is None:
        return frozenset(PARTS)
    names = frozenset(name.strip() for name in only.split(",") if name.strip())
    unknown = sorted(names - frozenset(PARTS))
    if unknown or not names:
        raise StartError(f"--only knows no part {', '.join(unknown) or '(none given)'}. There are: {', '.join(PARTS)}.")
    return names


def needed(settings: UpSettings, names: frozenset[str]) -> frozenset[str]:
    """The parts to start: the embedded Postgres only where it is needed and no other database is named."""
    urls = (settings.user_database_url, settings.shared_database_url)
    if any(urls) and not all(urls):
        raise StartError("Set both BOTBERI_USER_DATABASE_URL and BOTBERI_SHARED_DATABASE_URL, or neither.")
    if "gateway" in names:
        # A subgraph that runs elsewhere isn't started here.
        names -= {name for name in subgraphs.NAMES if getattr(settings, f"{name}_url")}
    if all(urls):
        return names - {"postgres"}
    return names | {"postgres"} if names & _ON_DATABASES else names


def require_subgraphs(settings: UpSettings, names: frozenset[str]) -> None:
    """Raise `StartError` unless the gateway's subgraphs are among the parts, or settings say where they run."""
    missing = [name for name in subgraphs.NAMES if name not in names and not getattr(settings, f"{name}_url")]
    if "gateway" in names and missing:
        variables = " and ".join(f"BOTBERI_{name.upper()}_URL" for name in missing)
        raise StartError(
            f"The gateway needs {', '.join(missing)}: start them too (--only), or say with {variables} where they run."
        )


class Platform:
    """Makes the parts, and owns what several of them use."""

    def __init__(self, settings: UpSettings, names: frozenset[str], urls: DatabaseUrls | None) -> None:
        self.names = names
        self.accounts: Sequence[Credential] = ()
        self._settings = settings
        self._urls = urls
        self._bus: Bus | None = None
        self._event_broker: EventBroker | None = None
        self._databases: list[Database] = []
        self._variables: dict[str, str] = {}
        self._variables["BOTBERI_STATE_DIR"] = str(settings.state_dir)
        if settings.public_url:
            self._variables["BOTBERI_PUBLIC_URL"] = settings.public_url

    @property
    def bus_name(self) -> str:
        """Carrier of events, for people."""
        return "in this process" if self._settings.amqp_url is None else "on RabbitMQ"

    async def parts(self) -> list[Part]:
        """Every part but Postgres, which has to run before."""
        require_subgraphs(self._settings, self.names)
        self._warn_of_gaps()
        local = {name: self._local(name) for name in subgraphs.NAMES if name in self.names}
        if self.names & {"broker", "audit", "dispatcher", "gateway"}:
            await self._start_bus()
        parts: list[Part] = []
        if "worker" in self.names:
            # First: it takes longest.
            concurrency = self._worker_settings().worker_concurrency
            parts.append(worker.part(concurrency, self._variables_of("worker"), self._celery_name()))
        if "identity-worker" in self.names:
            parts.append(self._identity_worker())
        if "gateway" in self.names:
            parts += [subgraph.part() for subgraph in local.values()]
        else:
            parts += [self._served(name) for name in local]
        parts += self._loops()
        if "gateway" in self.names:
            parts.append(gateway.part(self._settings, lambda: self._gateway_app(local), tuple(local)))
        return parts

    def problems(self) -> dict[str, str]:
        """Problems that keep the parts from their work at this moment; they try again by themselves."""
        reasons = {}
        if self._bus is not None and self._bus.blocked:
            reasons["bus"] = "RabbitMQ takes no messages: it is short of memory or disk; events wait in the outbox"
        elif self._bus is not None and not self._bus.ready:
            reasons["bus"] = "RabbitMQ is away, or does not serve one of our consumers"
        if self._event_broker is not None and not self._event_broker.ready:
            reasons["broker"] = "a database or the bus is away: events wait in the outbox"
        return reasons

    async def aclose(self) -> None:
        """Close what the parts shared, once they have ended."""
        if self._bus is not None:
            await self._bus.aclose()
        for database in self._databases:
            await database.aclose()

    # -- what is shared ----------------------------------------------------------------------

    @cached_property
    def _ring(self) -> keys.KeyRing:
        # Made, or read, by those alone who sign or verify.
        key_file = self._settings.assertion_private_key_file
        return keys.load_file(key_file) if key_file else keys.load_folder(self._settings.state_dir / "keys")

    async def _start_bus(self) -> None:
        self._bus = make_bus(self._settings.amqp_url)
        try:
            await self._bus.start()
        except BusUnavailable as error:
            raise StartError(f"RabbitMQ (BOTBERI_AMQP_URL) can't be reached: {error}") from error
        except TopologyMismatch as error:
            raise StartError(str(error)) from error

    def _database(self, which: int, name: str, pool_size: int = 3) -> Database:
        assert self._urls is not None
        options = PoolOptions(pool_size=pool_size, max_overflow=2, application_name=f"botberi-{name}")
        database = Database(self._urls.of(name)[which], options)
        self._databases.append(database)
        return database

    def _worker_settings(self) -> WorkerSettings:
        return WorkerSettings(**self._overrides("dispatcher"))

    def _celery_name(self) -> str:
        return "Celery over pgmq on Postgres" if self._worker_settings().broker_url is None else "Celery over RabbitMQ"

    # -- parts -------------------------------------------------------------------------------

    def _variables_of(self, part: str) -> dict[str, str]:
        urls = () if self._urls is None else zip(_URL_VARIABLES, self._urls.of(part), strict=True)
        public = {"BOTBERI_PUBLIC_URL": self._settings.peoples_url} if part in _WRITES_LINKS else {}
        # A part that runs on its own is given the way to its own database alone.
        return self._variables | {variable: url for variable, url in urls if url} | public

    def _overrides(self, part: str) -> dict[str, Any]:
        return {name.removeprefix("BOTBERI_").lower(): value for name, value in self._variables_of(part).items()}

    def _local(self, name: str) -> subgraphs.LocalSubgraph:
        return subgraphs.LocalSubgraph(name, lambda: subgraphs.make_app(name, self._overrides(name), self._ring.jwks))

    def _served(self, name: str) -> Part:
        port = subgraphs.DEFAULT_PORTS[name]
        make = subgraphs.make_app
        return subgraphs.served_part(
            name, lambda: make(name, self._overrides(name), self._ring.jwks), self._settings.host, port
        )

    def _loops(self) -> list[Part]:
        parts: list[Part] = []
        if "broker" in self.names:
            parts.append(self._broker())
        if "audit" in self.names:
            assert self._bus is not None
            trail = AuditTrail(self._bus, self._database(0, "audit"))
            parts.append(background.part("audit", trail.run, "entries of the audit log"))
        if "dispatcher" in self.names:
            settings = self._worker_settings()
            assert self._bus is not None
            dispatcher = Dispatcher(self._bus, self._database(1, "dispatcher"), create_celery(settings), settings)
            parts.append(background.part("dispatcher", dispatcher.run, "events to Celery"))
        if "reaper" in self.names:
            settings = self._worker_settings()
            database = self._database(1, "reaper")
            loops = (
                Reaper(database, settings).run,
                Scheduler(database, settings).run,
                Janitor(database, make_storage(settings), settings).run,
            )
            parts.append(background.part("reaper", background.together(*loops), "every few seconds"))
        if "catalog-tasks" in self.names:
            assert self._urls is not None
            counting = Counting(self._urls.of("catalog-tasks")[1], CatalogWorkerSettings().catalog_count_seconds)
            parts.append(background.part("catalog-tasks", counting.run, "every few minutes"))
        return parts

    def _identity_worker(self) -> Part:
        name = "identity-worker"
        settings = IdentityWorkerSettings(**self._overrides(name))
        settings.require_all()
        where = self._celery_name()
        concurrency = settings.identity_worker_concurrency
        return worker.part(concurrency, self._variables_of(name), where, name=name, queue=IDENTITY_QUEUE)

    def _broker(self) -> Part:
        assert self._urls is not None
        assert self._bus is not None
        broker = self._event_broker = EventBroker(dict(zip(DATABASES, self._urls.of("broker"), strict=True)), self._bus)
        return background.part(
            "broker", broker.run, f"outbox to the bus {self.bus_name}", is_ready=lambda: broker.ready
        )

    def _gateway_app(self, local: Mapping[str, subgraphs.LocalSubgraph]) -> Any:
        sources: dict[str, SubgraphSource] = {}
        identity: InternalCall | None = None
        for name in subgraphs.NAMES:
            sdl = read_sdl(subgraphs.sdl_file(name))
            url = self._url_of(name)
            if url is not None:
                sources[name] = source_at(url, sdl)
            else:
                sources[name] = SubgraphSource(sdl, app=local[name])
            if name == "identity":
                identity = HttpCall(url, AssertionSigner(self._ring)) if url is not None else LocalCall(local[name])
        assert identity is not None
        assert self._bus is not None
        registries: list[CollectorRegistry] = []
        files = downloads.routes(make_storage(self._settings))
        return gateway.make_app(
            self._settings,
            self._ring,
            sources,
            identity,
            BusEventSource(self._bus),
            registries,
            files,
            lambda: self.problems().get("bus"),
        )

    def _url_of(self, name: str) -> str | None:
        """URL of a subgraph that runs as a service of its own; None for one in this process."""
        if name in self.names:
            return None
        url: str | None = getattr(self._settings, f"{name}_url")
        return url

    def _warn_of_gaps(self) -> None:
        apart = self.names & {"broker", "dispatcher", "gateway"}
        if self._settings.amqp_url is None and 0 < len(apart) < 3:
            logger.warning(
                "the event bus lives in this process alone: without %s here, events go no further. "
                "Set BOTBERI_AMQP_URL to part them.",
                " and ".join(sorted({"broker", "dispatcher", "gateway"} - apart)),
            )


#: Parts whose answers or mails have addresses of ours in them that no client may choose.
_WRITES_LINKS: Final = frozenset({"identity", "identity-worker"})
_URL_VARIABLES: Final = ("BOTBERI_USER_DATABASE_URL", "BOTBERI_SHARED_DATABASE_URL")
