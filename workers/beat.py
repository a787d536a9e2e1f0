"""Celery's beat: what is done every so often, and which queue does it. `celery --app workers.beat:app beat`.

Two of them send every task twice, and tasks may run twice: nothing breaks, and nothing is gained.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from workers.catalog.settings import COUNT_RUNS, QUEUE, CatalogWorkerSettings
from workers.logs import configure_logging
from workers.service_app import configuration


def _schedule(task: str, queue: str, seconds: float) -> dict[str, Any]:
    # A task that no worker took until the next one is due would do the same work.
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": seconds}}


def _configuration() -> dict[str, Any]:
    settings = CatalogWorkerSettings()
    return configuration(settings.amqp_url, (QUEUE,)) | {
        "beat_max_loop_interval": 5,
        "beat_schedule": {COUNT_RUNS: _schedule(COUNT_RUNS, QUEUE, settings.catalog_count_seconds)},
    }


app = Celery("botberi-beat", set_as_current=False)
app.add_defaults(_configuration)


def _logging(**_: object) -> None:
    configure_logging(CatalogWorkerSettings(), part="beat")


setup_logging.connect(_logging)


def beat_argv() -> list[str]:
    """The command line of beat; when it last sent what is kept until the process ends, and no longer."""
    folder = tempfile.mkdtemp(prefix="botberi-beat-")
    argv = [sys.executable, "-m", "celery", "--quiet", "--app", "workers.beat:app", "beat"]
    return [*argv, "--schedule", os.path.join(folder, "schedule"), "--pidfile", ""]
