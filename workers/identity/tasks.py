"""The Celery tasks of identity's queue. Each may come twice, or for what is done already, and then does nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from shared_schema import origin
from workers import worker_metrics
from workers.broker import IDENTITY_QUEUE
from workers.identity import closing, export, post, prune
from workers.identity.app import app
from workers.identity.feeder import CLOSE, EXPORT, MAIL, PRUNE, Feeder
from workers.identity.tools import tools

logger = logging.getLogger(__name__)

#: Importing it is what serves the worker's pages.
_PAGES = worker_metrics

_feeder: Feeder | None = None


def _carry_out(task: str, work: Callable[[], str]) -> None:
    """Do the work as this program. What fails is sent again by the feeder."""
    with origin.acting("identity-worker"):
        outcome = work()
    logger.debug("%s: %s", task, outcome)


@app.task(name=MAIL)  # type: ignore[untyped-decorator]
def mail(mail_id: str) -> None:
    """Send one mail."""
    _carry_out(MAIL, lambda: post.send(tools(), UUID(mail_id)))


@app.task(name=EXPORT)  # type: ignore[untyped-decorator]
def write_export(export_id: str) -> None:
    """Write the file of one export."""
    _carry_out(EXPORT, lambda: export.write(tools(), UUID(export_id)))


@app.task(name=CLOSE)  # type: ignore[untyped-decorator]
def close(account_id: str) -> None:
    """Empty one account whose waiting time is over."""
    _carry_out(CLOSE, lambda: closing.close(tools(), UUID(account_id)))


@app.task(name=PRUNE)  # type: ignore[untyped-decorator]
def remove_ended() -> None:
    """Remove what has ended from the tables."""
    _carry_out(PRUNE, lambda: prune.prune(tools()))


def _send(task: str, arguments: dict[str, Any]) -> None:
    app.send_task(task, kwargs=arguments, queue=IDENTITY_QUEUE)


def _begin(**_: object) -> None:
    """Once the worker takes messages, it is fed."""
    global _feeder
    _feeder = Feeder(tools(), _send)
    _feeder.start()


def _stop_feeding(**_: object) -> None:
    if _feeder is not None:
        _feeder.stop()


def _close(**_: object) -> None:
    if _feeder is not None:
        _feeder.join(timeout=5)
    tools().close()


worker_ready.connect(_begin)
worker_shutting_down.connect(_stop_feeding)
worker_shutdown.connect(_close)
