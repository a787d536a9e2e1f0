"""Rows and processes that the tests of runs use."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from shared_schema.ids import new_id
from shared_schema.json_text import json_text, json_value
from workers.celery_app import worker_argv

ROOT = Path(__file__).parents[2]
TERMINAL = ("SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT")

# Leases short enough for a test to outlive one.
FAST = {
    "BOTBERI_RUN_LEASE_SECONDS": "3",
    "BOTBERI_RUN_HEARTBEAT_SECONDS": "0.5",
    "BOTBERI_RUN_WATCH_SECONDS": "0.2",
    "BOTBERI_RUN_PROGRESS_SECONDS": "0.1",
    "BOTBERI_RUN_CANCEL_GRACE_SECONDS": "1",
    "BOTBERI_REAPER_INTERVAL_SECONDS": "0.3",
    "BOTBERI_SWEEP_INTERVAL_SECONDS": "0.3",
    "BOTBERI_DISPATCH_CLAIM_TIMEOUT_SECONDS": "4",
    "BOTBERI_PGMQ_VISIBILITY_SECONDS": "5",
    "BOTBERI_PGMQ_POLL_SECONDS": "0.05",
}


@dataclass(frozen=True)
class Rows:
    """The shared database, as somebody who looks from outside sees it."""

    url: str

    def execute(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[arg-type]
            return list(cursor.fetchall()) if cursor.description else []

    def agent(self, workflow: str) -> UUID:
        agent_id = new_id()
        self.execute(
            "INSERT INTO agents (id, slug, name, workflow, publisher_id, status) "
            "VALUES (%s, %s, %s, %s, %s, 'PUBLISHED')",
            agent_id,
            f"agent-{agent_id.hex}",
            workflow,
            workflow,
            new_id(),
        )
        return agent_id

    def instance(self, workflow: str, parameters: Mapping[str, Any], **columns: Any) -> UUID:
        instance_id = new_id()
        values = {
            "id": instance_id,
            "owner_id": new_id(),
            "agent_id": self.agent(workflow),
            "name": "a run",
            "parameters": json_text(dict(parameters)),
        }
        self.execute(
            "INSERT INTO instances (id, owner_id, agent_id, name, parameters) VALUES (%s, %s, %s, %s, %s)",
            *values.values(),
        )
        if columns:
            assignments = ", ".join(f"{name} = %s" for name in columns)
            self.execute(f"UPDATE instances SET {assignments} WHERE id = %s", *columns.values(), instance_id)
        return instance_id

    def get(self, instance_id: UUID) -> dict[str, Any]:
        [row] = self.execute("SELECT * FROM instances WHERE id = %s", instance_id)
        documents = {name: None if row[name] is None else json_value(row[name]) for name in ("parameters", "result")}
        return row | documents

    def statuses(self, instance_id: UUID) -> list[str]:
        """Every status the row went through, as its events tell."""
        rows = self.execute(
            "SELECT data->>'status' AS status FROM outbox WHERE aggregate_id = %s ORDER BY seq", instance_id
        )
        found: list[str] = []
        for row in rows:
            if not found or found[-1] != row["status"]:
                found.append(row["status"])
        return found

    def wait(
        self, instance_id: UUID, until: Callable[[dict[str, Any]], bool] | None = None, seconds: float = 90
    ) -> dict[str, Any]:
        """The row once it is terminal, or as `until` says."""
        deadline = time.monotonic() + seconds
        while True:
            row = self.get(instance_id)
            if until(row) if until is not None else row["status"] in TERMINAL:
                return row
            if time.monotonic() > deadline:
                raise AssertionError(f"not in {seconds} s: {json.dumps(row, default=str)[:800]}")
            time.sleep(0.05)


@contextlib.contextmanager
def celery_worker(environment: Mapping[str, str], log: Path, concurrency: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process, its log in a file; ended with all its children."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            worker_argv(concurrency),
            cwd=ROOT,
            env={**os.environ, **FAST, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """kill -9 for a worker and its pool; the runs' own processes notice that their worker is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
