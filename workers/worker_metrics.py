"""What a Celery worker does, counted in its pool's processes or threads -> pages that its main process serves.

`/metrics` is Prometheus'; `/ready` answers 503 while the worker has no connection to its broker.

`prometheus_client` adds up what several processes count through files in `PROMETHEUS_MULTIPROC_DIR`, which has to be
set before it is imported: the program that starts the worker passes it `environment()`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from celery.signals import (
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)

from shared_schema.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.simple_server import WSGIServer

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_server: WSGIServer | None = None


class _PageSettings(Settings):
    """Where the pages are served: every worker's settings have the same two."""

    metrics_port: int | None = None
    host: str = "127.0.0.1"


class WithPages(Protocol):
    """Settings of a worker."""

    @property
    def metrics_port(self) -> int | None: ...


def environment(settings: WithPages) -> dict[str, str]:
    """Return the variables for a worker that shall serve its metrics; none for one that shall not."""
    if settings.metrics_port is None:
        return {}
    return {_FOLDER: tempfile.mkdtemp(prefix="botberi-worker-metrics-")}


def run_started(workflow: str, waited_seconds: float | None) -> None:
    """Count a run that a pool process begins; with its first attempt, how long it waited for it since it was made."""
    _metrics().active.inc()
    if waited_seconds is not None:
        _metrics().waited.labels(workflow).observe(waited_seconds)


def run_ended(workflow: str, outcome: str, seconds: float) -> None:
    """Count a run's end: `outcome` is its terminal status, QUEUED if it was given back, FENCED if another holds it."""
    metrics = _metrics()
    metrics.active.dec()
    metrics.runs.labels(workflow, outcome).inc()
    metrics.seconds.labels(workflow).observe(seconds)


class _Metrics:
    """The metrics; made when they are first needed, as this module's import must not import their library too early."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self.runs = Counter(
            "botberi_worker_runs_total", "Attempts at runs that ended in a worker.", ["workflow", "outcome"]
        )
        self.seconds = Histogram(
            "botberi_worker_run_seconds",
            "How long an attempt at a run took in a worker.",
            ["workflow"],
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600),
        )
        self.waited = Histogram(
            "botberi_worker_run_wait_seconds",
            "From the making of an instance to its first attempt.",
            ["workflow"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
        )
        self.active = Gauge(
            "botberi_worker_runs_active", "Runs that a worker computes now.", multiprocess_mode="livesum"
        )
        self.tasks = Counter("botberi_tasks_total", "Celery tasks that ended, by how.", ["task", "outcome"])
        self.task_seconds = Histogram(
            "botberi_task_seconds", "How long a Celery task took.", ["task"], buckets=(0.01, 0.1, 1, 10, 60, 300, 1800)
        )
        self.task_success = Gauge(
            "botberi_task_success_timestamp_seconds",
            "When a task last succeeded (Unix time).",
            ["task"],
            multiprocess_mode="max",
        )


_made: _Metrics | None = None


def _metrics() -> _Metrics:
    global _made
    if _made is None:
        _made = _Metrics()
    return _made


_began: dict[str, float] = {}


def _task_begins(task_id: str, **_: Any) -> None:
    _began[task_id] = time.monotonic()


def _task_ended(task_id: str, task: Any, state: str | None, **_: Any) -> None:
    """Count a task of any queue: how it ended, how long it took, and when one last succeeded."""
    began = _began.pop(task_id, None)
    metrics = _metrics()
    metrics.tasks.labels(task.name, state or "UNKNOWN").inc()
    if began is not None:
        metrics.task_seconds.labels(task.name).observe(time.monotonic() - began)
    if state == "SUCCESS":
        metrics.task_success.labels(task.name).set_to_current_time()


def _pages(registry: Any, is_connected: Callable[[], bool]) -> Callable[..., Iterable[bytes]]:
    """The WSGI application of the pages."""
    from prometheus_client import make_wsgi_app

    metrics: Callable[..., Iterable[bytes]] = make_wsgi_app(registry)

    def serve(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != "/ready":
            return metrics(environ, start)
        ready = is_connected()
        start("200 OK" if ready else "503 Service Unavailable", [("Content-Type", "application/json")])
        return [b'{"status": "ready"}' if ready else b'{"status": "unavailable", "problems": {"broker": "away"}}']

    return serve


def _connected(consumer: Any) -> Callable[[], bool]:
    """True while Celery's consumer has its connection; a transport that has no such thing (pgmq) is taken as well."""

    def look() -> bool:
        connection = getattr(consumer, "connection", None)
        return bool(connection is not None and getattr(connection, "connected", True))

    return look


def _serve(sender: Any = None, **_: Any) -> None:
    """Serve the pages, in the main process and once the worker takes tasks."""
    global _server
    settings = _PageSettings()
    if settings.metrics_port is None:
        return
    if _FOLDER not in os.environ:
        raise RuntimeError(f"BOTBERI_METRICS_PORT needs a worker that `botberi worker` started ({_FOLDER} is not set)")
    from wsgiref.simple_server import make_server

    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import ThreadingWSGIServer, _SilentHandler
    from prometheus_client.multiprocess import MultiProcessCollector

    _metrics()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    _server = make_server(
        settings.host, settings.metrics_port, _pages(registry, _connected(sender)), ThreadingWSGIServer, _SilentHandler
    )
    threading.Thread(target=_server.serve_forever, daemon=True, name="worker's pages").start()


def _leave_port(**_: Any) -> None:
    """Close the server that a pool process inherited: its port has to be free when the main process ends."""
    global _server
    if _server is not None:
        _server.socket.close()
        _server = None


def _forget_process(pid: int, **_: Any) -> None:
    """Stop counting work of a pool process that has ended."""
    if _FOLDER in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _remove_folder(**_: Any) -> None:
    folder = os.environ.get(_FOLDER)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


task_prerun.connect(_task_begins)
task_postrun.connect(_task_ended)
worker_ready.connect(_serve)
worker_process_init.connect(_leave_port)
worker_process_shutdown.connect(_forget_process)
worker_shutdown.connect(_remove_folder)
