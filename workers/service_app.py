"""A queue's name -> the Celery application of a service's background tasks, which are short and may run twice.

The runs of agents have an application of their own (`workers.celery_app`): a pool of processes, leases, no time limit
but the run's. Tasks here run in a thread of the worker, and each ends its database statements itself.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from celery import Celery
from celery.signals import setup_logging
from kombu import Exchange, Queue  # type: ignore[attr-defined]

from workers.logs import configure_logging


class ServiceSettings(Protocol):
    """Settings of a service's worker, as far as Celery is concerned."""

    @property
    def amqp_url(self) -> str | None: ...
    @property
    def log_format(self) -> Literal["text", "json"]: ...
    @property
    def log_level(self) -> str: ...


def queue(name: str) -> Queue:
    """A durable queue on three nodes where there are so many; what was delivered 20 times is dropped."""
    exchange = Exchange(name, type="direct")  # type: ignore[no-untyped-call]
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 20}
    return Queue(name, exchange, routing_key=name, queue_arguments=arguments)  # type: ignore[no-untyped-call]


def configuration(amqp_url: str | None, queues: Sequence[str]) -> dict[str, Any]:
    """Celery's settings for applications that send to these queues or work on them."""
    return {
        "broker_url": amqp_url,
        "broker_transport_options": {"confirm_publish": True, "confirm_timeout": 15.0},
        "broker_connection_timeout": 5,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_heartbeat": 10,
        "task_default_queue": queues[0],
        "task_queues": tuple(queue(name) for name in queues),
        "task_create_missing_queues": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "result_backend": None,
        "task_acks_late": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "enable_utc": True,
        "timezone": "UTC",
    }


def create_service_app(name: str, modules: Sequence[str], settings: Callable[[], ServiceSettings]) -> Celery:
    """The application of one queue, whose settings are read from the environment when they are first needed."""
    app = Celery(f"botberi-{name}", include=list(modules), set_as_current=False)
    app.add_defaults(lambda: configuration(settings().amqp_url, (name,)))

    def log(**_: object) -> None:
        configure_logging(settings(), part=f"{name}-worker")

    setup_logging.connect(log, weak=False)
    return app


def worker_argv(application: str, name: str) -> list[str]:
    """The command line of a worker of one queue; its settings come from the environment."""
    argv = [sys.executable, "-m", "celery", "--quiet", "--app", application, "worker", "--queues", name]
    argv += ["--pool", "threads", "--concurrency", "1", "--without-gossip", "--without-mingle"]
    return [*argv, "--hostname", f"{name}-{secrets.token_hex(3)}@%n"]
