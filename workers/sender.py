"""A run's id -> a Celery message that the broker has confirmed."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from celery import Celery

from shared_schema.contracts.runs import TASK_NAME
from workers.broker import QUEUE
from workers.metrics import DISPATCH_FAILURES, DISPATCH_SECONDS, DISPATCHED

logger = logging.getLogger("workers.dispatch")


class DispatchError(Exception):
    """The broker didn't confirm the message in time."""


class TaskSender:
    """Sends run messages from one thread: Celery's connections are synchronous and stay with it."""

    def __init__(self, celery: Celery, *, timeout_seconds: float) -> None:
        self._celery = celery
        self._timeout = timeout_seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="celery-send")

    async def send(self, instance_id: UUID, *, reason: str) -> str:
        """Return the task's id once the broker has the message; raises `DispatchError`."""
        began = time.perf_counter()
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._send, instance_id)
        try:
            task_id = await asyncio.wait_for(future, self._timeout)
        except Exception as error:
            DISPATCH_FAILURES.inc()
            if isinstance(error, TimeoutError):
                # The thread may hang for as long as the network lets it; the next message gets a new one.
                self._thread.shutdown(wait=False, cancel_futures=True)
                self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="celery-send")
            raise DispatchError(f"run {instance_id} not sent: {type(error).__name__}: {error}"[:500]) from error
        DISPATCHED.labels(reason).inc()
        DISPATCH_SECONDS.observe(time.perf_counter() - began)
        return task_id

    def _send(self, instance_id: UUID) -> str:
        sent = self._celery.send_task(TASK_NAME, kwargs={"instance_id": str(instance_id)}, queue=QUEUE)
        return str(sent.id)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
