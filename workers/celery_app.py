"""The Celery application of runs; how any is configured, and the command line that starts a worker."""

from __future__ import annotations

import secrets
import sys
from typing import Any, Final

from celery import Celery
from celery.signals import celeryd_init, setup_logging
from kombu import Exchange, Queue  # type: ignore[attr-defined]

from workers.broker import IDENTITY_QUEUE, QUEUE, broker_url, ensure_pgmq, transport_options
from workers.logs import configure_logging
from workers.sender import HARD_LIMIT_AFTER, SOFT_LIMIT_AFTER
from workers.settings import WorkerSettings
from workers.transport import register

#: A queue -> the application whose workers serve it.
APPLICATIONS: Final = {QUEUE: "workers.celery_app:app", IDENTITY_QUEUE: "workers.identity.app:app"}


def _queue(name: str, arguments: dict[str, Any] | None) -> Queue:
    exchange = Exchange(name, type="direct")  # type: ignore[no-untyped-call]
    return Queue(name, exchange, routing_key=name, queue_arguments=arguments)  # type: ignore[no-untyped-call]


def configuration(settings: WorkerSettings, queue: str = QUEUE, tasks: str = "workers.tasks") -> dict[str, Any]:
    """Celery's settings for one queue, whose tasks the module `tasks` has.

    Messages are wake-ups: what a run is, and who holds it, is in Postgres.
    """
    rabbitmq = settings.broker_url is not None
    # 3.10 has no delivery limit of its own. What exceeds ours is dropped: the sweeper and the reaper, which go by
    # the row, send the run again or end it.
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 20} if rabbitmq else None
    return {
        "broker_url": broker_url(settings),
        "broker_transport_options": transport_options(settings),
        "broker_connection_timeout": 5,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_heartbeat": 10,
        "include": [tasks],
        "task_default_queue": queue,
        "task_queues": (_queue(queue, arguments),),
        "task_create_missing_queues": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "result_backend": None,
        # Acknowledged once the run has ended; a child that dies gives its message back.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "task_soft_time_limit": settings.run_timeout_seconds + SOFT_LIMIT_AFTER,
        "task_time_limit": settings.run_timeout_seconds + HARD_LIMIT_AFTER,
        "task_publish_retry_policy": {"max_retries": 3, "interval_start": 0, "interval_step": 0.5},
        "worker_pool": "workers.pool:TaskPool",
        "worker_concurrency": settings.worker_concurrency,
        # What ML libraries leave behind goes with the process now and then.
        "worker_max_tasks_per_child": 500,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # pgmq's queue names end at 47 characters; Celery's reply queues are longer.
        "worker_enable_remote_control": rabbitmq,
        "worker_send_task_events": rabbitmq,
        "task_send_sent_event": rabbitmq,
        "enable_utc": True,
        "timezone": "UTC",
    }


def create_app(settings: WorkerSettings | None = None) -> Celery:
    """An application; without settings they are read from the environment when they are first needed."""
    register()
    created = Celery("botberi", set_as_current=settings is None)
    created.add_defaults(lambda: configuration(settings or WorkerSettings()))
    return created


app = create_app()


def _logging(**_: object) -> None:
    """Our log lines instead of Celery's."""
    configure_logging(WorkerSettings())


def _prepare(**_: object) -> None:
    """Before the worker connects: the queue's tables, where they are ours to make."""
    ensure_pgmq(WorkerSettings())


setup_logging.connect(_logging)
celeryd_init.connect(_prepare)


def worker_argv(concurrency: int | None = None, queue: str = QUEUE) -> list[str]:
    """The command line of a worker process; its settings come from the environment."""
    argv = [sys.executable, "-m", "celery", "--app", APPLICATIONS[queue], "worker"]
    # Runs compute in processes; identity's tasks wait for others' answers, for which threads will do.
    argv += ["--queues", queue, "--pool", "prefork" if queue == QUEUE else "threads"]
    argv += ["--without-gossip", "--without-mingle"]
    argv += ["--hostname", f"{queue}-{secrets.token_hex(3)}@%n"]  # several workers may run on one host
    return argv if concurrency is None else [*argv, "--concurrency", str(concurrency)]
