"""Runs of a Celery worker, counted in its pool processes -> one page for Prometheus, served by its main process.

`prometheus_client` adds up what several processes count through files in `PROMETHEUS_MULTIPROC_DIR`, which has to be
set before it is imported: the program that starts the worker passes it `environment()`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, Final

from celery.signals import worker_process_init, worker_process_shutdown, worker_ready, worker_shutdown

from workers.settings import WorkerSettings

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_server: WSGIServer | None = None


def environment(settings: WorkerSettings) -> dict[str, str]:
    """Return the variables for a worker that shall serve its metrics; none for one that shall not."""
    if settings.metrics_port is None:
        return {}
    return {_FOLDER: tempfile.mkdtemp(prefix="botberi-worker-metrics-")}


def run_started() -> None:
    """Count a run that a pool process begins."""
    _metrics().active.inc()


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
        self.active = Gauge(
            "botberi_worker_runs_active", "Runs that a worker computes now.", multiprocess_mode="livesum"
        )


_made: _Metrics | None = None


def _metrics() -> _Metrics:
    global _made
    if _made is None:
        _made = _Metrics()
    return _made


def _serve(**_: Any) -> None:
    """Serve the page, in the main process and once the worker takes runs."""
    global _server
    settings = WorkerSettings()
    if settings.metrics_port is None:
        return
    if _FOLDER not in os.environ:
        raise RuntimeError(f"BOTBERI_METRICS_PORT needs a worker that `botberi worker` started ({_FOLDER} is not set)")
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    _metrics()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    _server = start_http_server(settings.metrics_port, settings.host, registry)[0]


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


worker_ready.connect(_serve)
worker_process_init.connect(_leave_port)
worker_process_shutdown.connect(_forget_process)
worker_shutdown.connect(_remove_folder)
