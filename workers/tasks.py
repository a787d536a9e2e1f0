"""The Celery task: claim, carry out, record. Everything else is in `runs` and `supervise`."""

from __future__ import annotations

import logging
import os
import time
from functools import lru_cache
from uuid import UUID, uuid4

from celery import Task
from celery.signals import worker_process_init, worker_process_shutdown

from shared_schema import killpoints
from shared_schema.artifacts import Storage, make_storage
from shared_schema.contracts.runs import TASK_NAME, TRACE_HEADER, RunTask
from shared_schema.database import PoolOptions, SyncDatabase
from workers import worker_metrics
from workers.celery_app import app
from workers.nursery import Nursery
from workers.runs import RunStore
from workers.settings import WorkerSettings, process_name
from workers.supervise import Supervisor

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _tools(pid: int) -> tuple[RunStore, Nursery, WorkerSettings, Storage]:
    """A process' own connections and children, made after the fork: `pid` is the key."""
    settings = WorkerSettings()
    # One connection and a spare; an answer that takes longer than a heartbeat is no answer.
    timeout_seconds = max(1.0, min(5.0, settings.run_heartbeat_seconds))
    options = PoolOptions(
        pool_size=1,
        max_overflow=1,
        pool_timeout_seconds=timeout_seconds,
        statement_timeout_seconds=timeout_seconds,
        lock_timeout_seconds=timeout_seconds,
        application_name="botberi-worker",
    )
    database = SyncDatabase(settings.require_shared_database_url(), options)
    store = RunStore(database, lease_seconds=settings.run_lease_seconds, max_attempts=settings.run_max_attempts)
    return store, Nursery(settings), settings, make_storage(settings)


@app.task(name=TASK_NAME, bind=True, acks_late=True, reject_on_worker_lost=True, max_retries=None)  # type: ignore[untyped-decorator]
def run(task: Task, instance_id: str) -> None:
    """Carry out a run if it is there to be carried out; a message too many does nothing."""
    run_id: UUID = RunTask(instance_id=UUID(instance_id)).instance_id
    store, nursery, settings, storage = _tools(os.getpid())
    killpoints.reach("worker.received")
    claim = store.claim(run_id, f"{process_name()}:{uuid4().hex[:8]}")
    if claim is None:
        logger.info("nothing to do for run %s: it is %s", run_id, store.state(run_id))
        return
    logger.info(
        "run started",
        extra={
            "instance": str(run_id),
            "attempt": claim.run.attempt,
            "workflow": claim.run.workflow,
            # The database knows by itself to which trace the row's changes belong: this is for people who read logs by
            # trace.
            "traceparent": task.request.get(TRACE_HEADER),
        },
    )
    killpoints.reach("worker.claimed")
    began = time.monotonic()
    worker_metrics.run_started(claim.run.workflow, claim.waited_seconds)
    outcome = "ERROR"
    try:
        outcome = Supervisor(claim, store, settings, nursery.take(), storage).carry_out()
    finally:
        worker_metrics.run_ended(claim.run.workflow, outcome, time.monotonic() - began)
    killpoints.reach("worker.ended")
    nursery.prepare()


def _warm_up(**_: object) -> None:
    """The first run of a pool process shall be as quick as the next."""
    _tools(os.getpid())[1].prepare_later()


def _close_nursery(**_: object) -> None:
    """End the processes that a pool process started before it ends itself."""
    _tools(os.getpid())[1].close()


worker_process_init.connect(_warm_up)
worker_process_shutdown.connect(_close_nursery)
