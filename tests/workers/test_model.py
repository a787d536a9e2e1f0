"""The states of runs against a model: whatever order claims, beats, losses, late writes, cancels and retries come in.

The rows are the real database's. Time is moved by setting leases back, never by waiting.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from psycopg.rows import dict_row

from shared_schema.database import SyncDatabase
from shared_schema.states import TERMINAL, TRANSITIONS, InstanceStatus
from tests.workers.support import Rows
from workers.runs import Claim, Fenced, RunStore
from workers.runs.admission import SENT
from workers.runs.lines import Line
from workers.runs.reaper import _END_WAITING, _REAP

ATTEMPTS = 3
# BOTBERI_MODEL_EXAMPLES=10000 for a long look.
EXAMPLES = int(os.environ.get("BOTBERI_MODEL_EXAMPLES", "20"))
ENDINGS = st.sampled_from(["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT"])
ANY = st.sampled_from(sorted(InstanceStatus))


@dataclass
class Model:
    """What the rules say a run is."""

    status: str = "PENDING"
    attempt: int = 0
    holder: str | None = None
    expired: bool = False
    cancel: bool = False
    lines: int = 0
    ended: list[str] = field(default_factory=list)

    def holds(self, claim: Claim) -> bool:
        return self.status == "RUNNING" and (self.attempt, self.holder) == (claim.run.attempt, claim.owner)

    def step(self, status: str) -> None:
        if status != "QUEUED" or self.status == "RUNNING":
            self.lines += 1
        self.status, self.holder = status, None
        if InstanceStatus(status) in TERMINAL:
            self.ended.append(status)


class Runs(RuleBasedStateMachine):
    """Set `rows` and `store` before it runs."""

    rows: Rows
    store: RunStore
    database: SyncDatabase
    instances = Bundle("instances")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[UUID, Model] = {}
        self.owners = 0

    @rule(target=instances)
    def create(self) -> UUID:
        instance_id = self.rows.instance("text-insights", {})
        self.models[instance_id] = Model()
        return instance_id

    @rule(instance_id=instances)
    def dispatch(self, instance_id: UUID) -> None:
        with self.database.unit_of_work() as session:
            session.execute(SENT, {"id": instance_id, "task_id": "task", "claim_timeout": 60})
        model = self.models[instance_id]
        if model.status == "PENDING" and not model.cancel:
            model.status = "QUEUED"

    @rule(target=claims, instance_id=instances)
    def claim(self, instance_id: UUID) -> object:
        self.owners += 1
        claim = self.store.claim(instance_id, f"worker-{self.owners}")
        model = self.models[instance_id]
        waits = model.status in ("PENDING", "QUEUED")
        may = not model.cancel and model.attempt < ATTEMPTS and (waits or (model.status == "RUNNING" and model.expired))
        assert (claim is not None) == may
        if claim is None:
            if waits and model.cancel:
                model.step("CANCELLED")
            return multiple()
        model.status, model.attempt, model.holder, model.expired = "RUNNING", model.attempt + 1, claim.owner, False
        model.lines += 1
        assert claim.run.attempt == model.attempt
        return claim

    @rule(instance_id=instances)
    def lose_the_worker(self, instance_id: UUID) -> None:
        """Its lease runs out, whatever the worker still does."""
        model = self.models[instance_id]
        if model.status == "RUNNING":
            self.rows.execute(
                "UPDATE instances SET lease_expires_at = clock_timestamp() - interval '1 s' WHERE id = %s", instance_id
            )
            model.expired = True

    @rule(claim=claims)
    def beat(self, claim: Claim) -> None:
        model = self.models[claim.run.instance_id]
        try:
            watch = self.store.renew(claim)
        except Fenced:
            assert not model.holds(claim)
        else:
            assert model.holds(claim)
            assert watch.cancelled == model.cancel
            model.expired = False

    @rule(claim=claims, count=st.integers(0, 3))
    def tell(self, claim: Claim, count: int) -> None:
        model = self.models[claim.run.instance_id]
        try:
            self.store.progress(claim, 0.5, "half", [Line("INFO", "a line")] * count)
        except Fenced:
            assert not model.holds(claim)
        else:
            assert model.holds(claim)
            model.expired, model.lines = False, model.lines + count

    @rule(claim=claims)
    def make_a_file(self, claim: Claim) -> None:
        model = self.models[claim.run.instance_id]
        from shared_schema.ids import new_id

        file_id = new_id()
        try:
            self.store.note_file(
                claim, file_id, name="a", content_type="a/b", size=0, sha256=b"0" * 32, key=file_id.hex
            )
        except Fenced:
            assert not model.holds(claim)
        else:
            assert model.holds(claim)

    @rule(claim=claims, ending=ENDINGS)
    def finish(self, claim: Claim, ending: str) -> None:
        model = self.models[claim.run.instance_id]
        try:
            written = self.store.finish(claim, ending, result={} if ending == "SUCCEEDED" else None, code="X")  # type: ignore[arg-type]
        except Fenced:
            assert not model.holds(claim)
        else:
            assert model.holds(claim)
            assert written == ("CANCELLED" if model.cancel and ending == "SUCCEEDED" else ending)
            model.step(written)

    @rule(claim=consumes(claims))
    def give_back(self, claim: Claim) -> None:
        model = self.models[claim.run.instance_id]
        try:
            self.store.release(claim, "crashed")
        except Fenced:
            assert not model.holds(claim)
        else:
            assert model.holds(claim)
            model.step("CANCELLED" if model.cancel else "QUEUED")

    @rule(instance_id=instances)
    def cancel(self, instance_id: UUID) -> None:
        """As the instance subgraph does."""
        model = self.models[instance_id]
        if model.status in ("PENDING", "QUEUED"):
            self.rows.execute(
                "UPDATE instances SET status = 'CANCELLED', cancel_requested_at = now(), lease_owner = NULL,"
                " lease_expires_at = NULL WHERE id = %s",
                instance_id,
            )
            model.step("CANCELLED")
        elif model.status == "RUNNING":
            self.rows.execute("UPDATE instances SET cancel_requested_at = now() WHERE id = %s", instance_id)
        model.cancel = model.cancel or model.status in ("RUNNING", "CANCELLED")

    @rule()
    def reap(self) -> None:
        values = {"rows": 100, "max_attempts": ATTEMPTS, "backoff": 1.0, "backoff_max": 60.0}
        with self.database.unit_of_work() as session:
            session.execute(_REAP, values)
            session.execute(_END_WAITING, values)
        for model in self.models.values():
            if model.status == "RUNNING" and model.expired:
                model.step("CANCELLED" if model.cancel else "QUEUED" if model.attempt < ATTEMPTS else "FAILED")
            if model.status in ("PENDING", "QUEUED") and model.attempt >= ATTEMPTS:
                model.step("FAILED")

    @rule(instance_id=instances, status=ANY)
    def write_anything(self, instance_id: UUID, status: str) -> None:
        """Code with a bug, or somebody at a prompt: what the table of steps doesn't have, the database refuses."""
        model = self.models[instance_id]
        if status == model.status or status in TRANSITIONS[InstanceStatus(model.status)]:
            return
        with pytest.raises(psycopg.errors.CheckViolation):
            self.rows.execute("UPDATE instances SET status = %s WHERE id = %s", status, instance_id)

    @rule(claim=claims)
    def write_late_lines_by_hand(self, claim: Claim) -> None:
        """A line of an attempt that is over is refused even without the holder's own check."""
        model = self.models[claim.run.instance_id]
        if claim.run.attempt != model.attempt or model.ended:
            with pytest.raises(psycopg.errors.CheckViolation):
                self.rows.execute(
                    "INSERT INTO instance_logs (instance_id, sequence, attempt, level, message) "
                    "VALUES (%s, %s, %s, 'INFO', 'x')",
                    claim.run.instance_id,
                    model.lines + 1,
                    claim.run.attempt,
                )

    @invariant()
    def rows_are_what_the_model_says(self) -> None:
        for row in self.rows.execute("SELECT * FROM instances"):
            model = self.models[row["id"]]
            assert (row["status"], row["attempt"]) == (model.status, model.attempt)
            assert row["log_sequence"] == model.lines
            assert (row["finished_at"] is not None) == bool(model.ended)
            if model.status == "RUNNING":
                assert row["lease_owner"] == model.holder

    @invariant()
    def each_run_ends_at_most_once_and_takes_known_steps_alone(self) -> None:
        steps: dict[UUID, list[tuple[str, int]]] = {}
        for row in self.rows.execute("SELECT * FROM instance_history ORDER BY version"):
            steps.setdefault(row["instance_id"], []).append((row["status"], row["attempt"]))
        for instance_id, model in self.models.items():
            taken = steps[instance_id]
            assert [status for status, _ in taken if InstanceStatus(status) in TERMINAL] == model.ended
            assert len(model.ended) <= 1
            assert [attempt for _, attempt in taken] == sorted(attempt for _, attempt in taken)
            for (before, _), (after, _) in itertools.pairwise(taken):
                assert before == after == "RUNNING" or after in TRANSITIONS[InstanceStatus(before)]

    @invariant()
    def lines_have_no_gaps_and_files_count_for_the_attempt_that_succeeded(self) -> None:
        for row in self.rows.execute(
            "SELECT instance_id, count(*) AS lines, max(sequence) AS last FROM instance_logs GROUP BY 1"
        ):
            assert row["lines"] == row["last"] == self.models[row["instance_id"]].lines
        for row in self.rows.execute("SELECT instance_id, attempt, promoted_at FROM instance_artifacts"):
            model = self.models[row["instance_id"]]
            counts = model.status == "SUCCEEDED" and row["attempt"] == model.attempt
            assert (row["promoted_at"] is not None) == counts


@dataclass(frozen=True)
class OneConnection(Rows):
    """Thousands of statements: a connection for each would take most of the time."""

    connection: psycopg.Connection[dict[str, Any]]

    def execute(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        cursor = self.connection.execute(statement, values)  # type: ignore[call-overload]
        return list(cursor.fetchall()) if cursor.description else []


@pytest.mark.timeout(900 + EXAMPLES)
def test_any_order_of_events_keeps_the_rules(rows: Rows, shared_database_url: str) -> None:
    connection = psycopg.connect(shared_database_url, autocommit=True, row_factory=dict_row)
    rows = OneConnection(rows.url, connection)
    database = SyncDatabase(shared_database_url)

    class OnThisDatabase(Runs):
        def __init__(self) -> None:
            rows.execute("DELETE FROM instances")
            super().__init__()

    OnThisDatabase.rows, OnThisDatabase.database = rows, database
    OnThisDatabase.store = RunStore(database, lease_seconds=600.0, max_attempts=ATTEMPTS)
    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    database.close()
    connection.close()
