"""The Celery application of identity's queue."""

from __future__ import annotations

from celery import Celery

from workers.broker import IDENTITY_QUEUE
from workers.celery_app import configuration
from workers.settings import IdentityWorkerSettings
from workers.transport import register

TASKS = "workers.identity.tasks"


def create_app(settings: IdentityWorkerSettings | None = None) -> Celery:
    """An application; without settings they are read from the environment when they are first needed."""
    register()
    created = Celery("botberi-identity", set_as_current=settings is None)
    created.add_defaults(
        lambda: {
            **configuration(settings or IdentityWorkerSettings(), IDENTITY_QUEUE, TASKS),
            # What is waited for are others' answers, each of which has its own limit of time.
            "worker_pool": "threads",
            "task_soft_time_limit": None,
            "task_time_limit": None,
        }
    )
    return created


app = create_app()
