"""The Celery task: claim, carry out, record. Everything else is in `runs` and `supervise`."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from uuid import UUID, uuid4

import psycopg
from celery.signals import worker_process_init
from kombu.exceptions import OperationalError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared_schema import killpoints
from shared_schema.artifacts import Storage, make_storage
from shared_schema.contracts.runs import TASK_NAME, RunTask
from shared_schema.database import PoolOptions, SyncDatabase
from workers.celery_app import app
from workers.logs import brief
from workers.nursery import Nursery
from workers.runs import RunStore
from workers.sender import send_run
from workers.settings import WorkerSettings, process_name
from workers.supervise import Supervisor

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _tools(pid: int) -> tuple[RunStore, Nursery, WorkerSettings, Storage]:
    """A process' own connections and children, made after the fork: `pid` is the key."""
    settings = WorkerSettings()
    # One connection and a spare; an answer that takes longer than a heartbeat is no answer.
    patience = max(1.0, min(5.0, settings.run_heartbeat_seconds))
    options = PoolOptions(
        pool_size=1,
        max_overflow=1,
        pool_timeout_seconds=patience,
        statement_timeout_seconds=patience,
        lock_timeout_seconds=patience,
        application_name="botberi-worker",
    )
    database = SyncDatabase(settings.require_shared_database_url(), options)
    store = RunStore(database, lease_seconds=settings.run_lease_seconds, max_attempts=settings.run_max_attempts)
    return store, Nursery(settings), settings, make_storage(settings)


@app.task(name=TASK_NAME, acks_late=True, reject_on_worker_lost=True, max_retries=None)  # type: ignore[untyped-decorator]
def run(instance_id: str) -> None:
    """Carry out a run if it is there to be carried out; a message too many does nothing."""
    wanted: UUID = RunTask(instance_id=UUID(instance_id)).instance_id
    store, nursery, settings, storage = _tools(os.getpid())
    killpoints.reach("worker.received")
    claim = store.claim(wanted, f"{process_name()}:{uuid4().hex[:8]}")
    if claim is None:
        logger.info("nothing to do for run %s: it is %s", wanted, store.state(wanted))
        return
    logger.info(
        "run started",
        extra={"instance": str(wanted), "attempt": claim.run.attempt, "workflow": claim.run.workflow},
    )
    killpoints.reach("worker.claimed")
    Supervisor(claim, store, settings, nursery.take(), storage).carry_out()
    killpoints.reach("worker.ended")
    _admit_next(store, settings, claim.run.owner_id)
    nursery.prepare()


def _admit_next(store: RunStore, settings: WorkerSettings, owner_id: UUID) -> None:
    """A run has ended: send what waited for its place. Whatever goes wrong here, the sweeper does later."""
    try:
        sending = settings.dispatch_timeout_seconds * 2
        for admitted in store.admit(owner_id, most=settings.runs_per_account, sending_seconds=sending):
            task_id = send_run(app, admitted.instance_id, admitted.timeout_seconds)
            store.sent(admitted.instance_id, task_id, patience_seconds=settings.dispatch_patience_seconds)
            logger.info("run sent", extra={"instance": str(admitted.instance_id), "task": task_id, "reason": "place"})
    except (DBAPIError, PoolTimeout, OSError, OperationalError, psycopg.Error) as error:
        logger.warning("the next run isn't sent yet: %s", brief(error))


def _warm_up(**_: object) -> None:
    """The first run of a pool process shall be as quick as the next."""
    _tools(os.getpid())[1].prepare_later()


worker_process_init.connect(_warm_up)
