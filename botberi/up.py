"""`botberi up`: settings and the parts wanted -> all of them running and healthy, until Ctrl-C; the exit code."""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from rich.console import Console

from botberi import credentials, data, table
from botberi.database_urls import DatabaseUrls
from botberi.parts import graphiql, postgres
from botberi.platform import Platform, needed, require_subgraphs
from botberi.postgres_places import make_state_folder
from botberi.run import locks, logs, ports
from botberi.run.errors import StartError
from botberi.run.stopping import stop_signals, until_stopped
from botberi.run.supervisor import Supervisor
from botberi.settings import UpSettings
from botberi_gateway.server import memory

logger = logging.getLogger(__name__)

T = TypeVar("T")


async def up(settings: UpSettings, names: frozenset[str]) -> int:
    """Run until stopped. Raises `StartError` for a problem that a person can fix."""
    began = time.monotonic()
    logs.configure(settings.log_format, settings.log_level)
    settings = settings.model_copy(update={"state_dir": settings.state_dir.resolve()})
    names = needed(settings, names)
    require_subgraphs(settings, names)
    _make_state_dir(settings)
    where = f"http://{settings.host}:{settings.port}" if "gateway" in names else "without a gateway"
    with stop_signals() as stop, locks.hold(settings.state_dir / "locks", sorted(names), where):
        async with contextlib.AsyncExitStack() as stack:
            started = await _unless_stopped(_start(settings, names, stack), stop)
            if started is None:
                return 130
            supervisor, platform = started
            memory.settle()
            _tell(settings, platform, supervisor, time.monotonic() - began)
            code = await until_stopped(supervisor, stop)
        logger.info("stopped")
    return code


async def _unless_stopped(start: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """The start's outcome; None when somebody wanted the end before it was over."""
    starting = asyncio.create_task(start, name="start")
    stopped = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if starting.done():
        return starting.result()
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError, StartError):
        await starting
    return None


async def _start(
    settings: UpSettings, names: frozenset[str], stack: contextlib.AsyncExitStack
) -> tuple[Supervisor, Platform]:
    """Everything up, in the order in which one thing needs another; `stack` undoes what was begun, the last first."""
    if "gateway" in names:
        ports.require_free(settings.host, settings.port, "the gateway", "--port or BOTBERI_PORT")
    supervisor = Supervisor()
    stack.push_async_callback(supervisor.stop)

    urls = await _databases(settings, names, supervisor)
    platform = Platform(settings, names, urls)
    # Beneath the supervisor's stop, so that parts end before what they share is closed.
    stack.push_async_callback(platform.aclose)
    stack.push_async_callback(supervisor.stop)
    if urls is not None:
        await data.migrate_both(*urls.owner)
        if urls.server is not None and names & {"dispatcher", "worker", "identity-worker"}:
            await data.make_queue(urls.owner[1])
        if settings.seed_accounts:
            platform.accounts = credentials.load_or_make(settings.state_dir)
        await data.seed_both(*urls.owner, platform.accounts)
    await supervisor.start(*await platform.parts())
    # Last: it is a minute of work for both cores, and nothing waits for it.
    building = asyncio.create_task(_graphiql(settings, names), name="graphiql")
    stack.push_async_callback(_cancelled, building)
    return supervisor, platform


async def _databases(settings: UpSettings, names: frozenset[str], supervisor: Supervisor) -> DatabaseUrls | None:
    """The URLs of both databases, those of the embedded server once it runs; None when no part here needs one."""
    if "postgres" in names:
        server = postgres.server(settings)
        await supervisor.start(postgres.part(server))
        return DatabaseUrls.embedded(server)
    if settings.user_database_url is None or settings.shared_database_url is None:
        return None
    return DatabaseUrls((settings.user_database_url, settings.shared_database_url))


async def _graphiql(settings: UpSettings, names: frozenset[str]) -> None:
    """Build GraphiQL's page where it is missing; nothing waits for it."""
    if settings.graphiql and "gateway" in names:
        await graphiql.ensure_built()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _make_state_dir(settings: UpSettings) -> None:
    try:
        make_state_folder(settings.state_dir)
        if not os.access(settings.state_dir, os.W_OK | os.X_OK):
            raise PermissionError(13, "no right to write")
    except OSError as error:
        raise StartError(
            f"The state folder {settings.state_dir} can't be used: {error.strerror}. Choose another with --state-dir."
        ) from None


def _tell(settings: UpSettings, platform: Platform, supervisor: Supervisor, seconds: float) -> None:
    endpoint = f"http://{_shown(settings.host)}:{settings.port}/graphql" if "gateway" in platform.names else None
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120, highlight=False)
    table.show(
        console,
        supervisor.where,
        seconds=seconds,
        endpoint=endpoint,
        accounts=platform.accounts,
        passwords_in=credentials.kept_in(settings.state_dir, sys.stdout),
        bus=platform.bus_name,
    )
    sys.stdout.flush()


def _shown(host: str) -> str:
    """A host that a browser on this machine reaches."""
    if host in ("0.0.0.0", "::", "127.0.0.1", "::1"):  # noqa: S104 - compared, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host
