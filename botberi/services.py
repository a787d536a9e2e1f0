"""A part's name and the environment -> that part alone in this process, as containers run it."""

import contextlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from prometheus_client import start_http_server

from botberi.parts import pages, subgraphs
from botberi.run import logs
from botberi.run.errors import StartError
from botberi.run.stopping import stop_signals, until_stopped
from botberi.run.supervisor import Part, Supervisor
from botberi.run.to_end import end
from botberi.settings import ServiceSettings, UpSettings
from shared_schema.settings import SettingsError

#: What a service's name starts: the writer of the audit log is the broker's companion, the reaper the dispatcher's.
_PARTS: Final = {
    "gateway": frozenset({"gateway"}),
    "broker": frozenset({"broker", "audit"}),
    "dispatcher": frozenset({"dispatcher", "reaper"}),
}


async def run(name: str, host: str | None, port: int | None) -> int:
    """Run it until it is stopped. Raises `StartError`."""
    overrides: dict[str, Any] = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    settings = ServiceSettings(**overrides)
    logs.configure(settings.log_format, settings.log_level)
    with stop_signals() as stop, logs.speaking_as(name):
        async with contextlib.AsyncExitStack() as stack:
            supervisor = Supervisor()
            parts = await _parts(name, settings, overrides, stack)
            stack.push_async_callback(supervisor.stop)
            await supervisor.start(*parts)
            return await until_stopped(supervisor, stop)


async def _parts(
    name: str, settings: ServiceSettings, overrides: dict[str, Any], stack: contextlib.AsyncExitStack
) -> Sequence[Part]:
    if name in subgraphs.NAMES:
        # It has its own pages; a second port for them is for scrapers that treat all parts alike.
        if settings.metrics_port is not None:
            start_http_server(settings.metrics_port, settings.host)
        port = settings.port or subgraphs.DEFAULT_PORTS[name]
        return [subgraphs.served_part(name, lambda: subgraphs.make_app(name, {}, None), settings.host, port)]
    from botberi.database_urls import DatabaseUrls
    from botberi.platform import Platform

    whole = UpSettings(**overrides)
    urls = None
    if name != "gateway":
        # The broker alone relays the events of both; the others are given no way to accounts.
        user_url = whole.require_user_database_url() if name == "broker" else whole.user_database_url or ""
        urls = DatabaseUrls((user_url, whole.require_shared_database_url()))
        if whole.amqp_url is None:
            raise StartError(f"The {name} on its own needs RabbitMQ: set BOTBERI_AMQP_URL, or run `botberi up`.")
    platform = Platform(whole, _PARTS[name], urls)
    stack.push_async_callback(platform.aclose)
    parts = await platform.parts()
    if settings.metrics_port is not None and name != "gateway":
        parts.append(pages.part(settings.host, settings.metrics_port, platform.problems))
    return parts


def become_worker(queue: str) -> None:
    """Replace this process by Celery's worker, which handles signals itself; a wrong setting ends it in words."""
    from workers import worker_metrics
    from workers.broker import IDENTITY_QUEUE, QUEUES
    from workers.celery_app import worker_argv
    from workers.settings import IdentityWorkerSettings, WorkerSettings

    if queue not in QUEUES:
        end(f"There is no queue {queue}. There are: {', '.join(QUEUES)}.")
    environment = dict(os.environ)
    if queue == IDENTITY_QUEUE:
        identity_settings = IdentityWorkerSettings()
        try:
            identity_settings.require_all()
        except SettingsError as error:
            end(str(error))
        argv = worker_argv(identity_settings.identity_worker_concurrency, queue)
        environment |= worker_metrics.environment(identity_settings)
    else:
        settings = WorkerSettings()
        argv = worker_argv(settings.worker_concurrency)
        environment |= worker_metrics.environment(settings)
    # Without its banner: our own lines say what it does.
    argv.insert(argv.index("celery") + 1, "--quiet")
    os.execve(argv[0], argv, environment)  # noqa: S606 - our own command line


def become_catalog_worker() -> None:
    """Replace this process by the worker of the catalog's tasks."""
    from workers import worker_metrics
    from workers.catalog.settings import QUEUE, CatalogWorkerSettings
    from workers.service_app import worker_argv

    settings = CatalogWorkerSettings()
    if settings.amqp_url is None:
        raise SystemExit("botberi: the catalog's worker needs RabbitMQ: set BOTBERI_AMQP_URL, or run `botberi up`.")
    settings.require_shared_database_url()
    argv = worker_argv("workers.catalog.app:app", QUEUE)
    os.execve(argv[0], argv, os.environ | worker_metrics.environment(settings))  # noqa: S606 - our own command line


def become_beat() -> None:
    """Replace this process by Celery's beat."""
    from workers.beat import beat_argv
    from workers.catalog.settings import CatalogWorkerSettings

    if CatalogWorkerSettings().amqp_url is None:
        raise SystemExit("botberi: beat needs RabbitMQ: set BOTBERI_AMQP_URL, or run `botberi up`.")
    argv = beat_argv()
    os.execv(argv[0], argv)  # noqa: S606 - our own command line


def become_flower(port: int) -> None:
    """Replace this process by Flower."""
    argv = [sys.executable, "-m", "celery", "--app", "workers.celery_app:app", "flower", f"--port={port}"]
    environment = dict(os.environ)
    # Flower itself reads no secret from a file.
    if path := environment.get("FLOWER_BASIC_AUTH_FILE"):
        try:
            environment["FLOWER_BASIC_AUTH"] = Path(path).read_text().strip()
        except OSError as error:
            raise SystemExit(f"botberi: FLOWER_BASIC_AUTH_FILE: {path} can't be read: {error.strerror}") from None
    os.execve(argv[0], argv, environment)  # noqa: S606 - our own command line


def is_healthy(url: str) -> bool:
    """True if a page answers 200 soon."""
    if not url.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(url, timeout=4) as answer:  # noqa: S310 - the scheme is checked
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
