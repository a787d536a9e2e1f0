"""A run that was admitted -> a Celery message that the broker has confirmed."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from celery import Celery

from shared_schema.contracts.runs import TASK_NAME, TRACE_HEADER
from workers.broker import QUEUE
from workers.metrics import DISPATCH_FAILURES, DISPATCH_SECONDS, DISPATCHED
from workers.runs.admission import Admitted

logger = logging.getLogger("workers.dispatch")


class DispatchError(Exception):
    """The broker didn't confirm the message in time."""


# The task ends a run that takes too long itself; Celery's limits are for a task that hangs.
SOFT_LIMIT_AFTER = 60
HARD_LIMIT_AFTER = 120


def send_run(celery: Celery, run: Admitted) -> str:
    """Send a run's message and return the task's id; a run with a timeout of its own has Celery's limits by it."""
    limits: dict[str, int] = {}
    if run.timeout_seconds is not None:
        limits = {
            "soft_time_limit": run.timeout_seconds + SOFT_LIMIT_AFTER,
            "time_limit": run.timeout_seconds + HARD_LIMIT_AFTER,
        }
    headers = {} if run.traceparent is None else {TRACE_HEADER: run.traceparent}
    arguments = {"instance_id": str(run.instance_id)}
    sent = celery.send_task(TASK_NAME, kwargs=arguments, queue=QUEUE, headers=headers, **limits)
    return str(sent.id)


class TaskSender:
    """Sends run messages from one thread: Celery's connections are synchronous and stay with it."""

    def __init__(self, celery: Celery, *, timeout_seconds: float) -> None:
        self._celery = celery
        self._timeout = timeout_seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="celery-send")

    async def send(self, run: Admitted, *, reason: str) -> str:
        """Return the task's id once the broker has the message; raises `DispatchError`."""
        began = time.perf_counter()
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._send, run)
        try:
            task_id = await asyncio.wait_for(future, self._timeout)
        except Exception as error:
            DISPATCH_FAILURES.inc()
            if isinstance(error, TimeoutError):
                # The thread may hang for as long as the network lets it; the next message gets a new one.
                self._thread.shutdown(wait=False, cancel_futures=True)
                self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="celery-send")
            raise DispatchError(f"run {run.instance_id} not sent: {type(error).__name__}: {error}"[:500]) from error
        DISPATCHED.labels(reason).inc()
        DISPATCH_SECONDS.observe(time.perf_counter() - began)
        return task_id

    def _send(self, run: Admitted) -> str:
        return send_run(self._celery, run)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
