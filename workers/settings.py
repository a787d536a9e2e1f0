"""Environment -> the settings of the worker, the dispatcher and the reaper."""

from __future__ import annotations

import os
import socket
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from botberi_gateway.backoff import pause_after
from shared_schema.artifacts import ArtifactSettings
from shared_schema.links import SecretSettings
from shared_schema.settings import AmqpSettings, DatabaseSettings, LogSettings, SettingsError

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class WorkerSettings(DatabaseSettings, AmqpSettings, ArtifactSettings, LogSettings):
    """Unset means the embedded default: Celery over `pgmq` on the shared database."""

    # Only to part Celery's broker from the bus.
    celery_broker_url: str | None = Field(default=None, repr=False)
    # Where the worker serves its metrics, and on which address; unset: nowhere.
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    host: str = "127.0.0.1"
    worker_concurrency: Annotated[int, Field(ge=1, le=64)] = 2

    # A lost worker is noticed when its lease expires: the bound on "stuck" is lease + reaper + sweep.
    run_lease_seconds: Seconds = 20.0
    run_heartbeat_seconds: Seconds = 5.0
    # How soon a run notices that it shall stop.
    run_watch_seconds: Seconds = 1.0
    # Each progress written is an event to every subscriber.
    run_progress_seconds: Seconds = 0.5
    # Lines that come within this time are written together, and are one event to every follower of the log.
    run_log_seconds: Seconds = 1.0
    # Lines of a run's log that are written together, and that an attempt may write in all; more are left out.
    run_log_batch_lines: Annotated[int, Field(ge=1, le=5_000)] = 200
    run_log_lines: Annotated[int, Field(ge=10, le=1_000_000)] = 5_000
    # How long a run may take; a template may say otherwise for its own.
    run_timeout_seconds: Seconds = 600.0
    # How long a cancelled workflow may take to stop by itself before its process is killed.
    run_cancel_grace_seconds: Seconds = 3.0
    # How often a run is tried before it has failed; a template may say otherwise for its own.
    run_max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    # How long a lost run waits for its next attempt; twice as long each time, up to the second.
    run_backoff_seconds: Seconds = 1.0
    run_backoff_max_seconds: Seconds = 60.0
    # Runs of one account that are with the workers at once; more wait their turn.
    runs_per_account: Annotated[int, Field(ge=1, le=100_000)] = 10
    # Bytes of JSON as it is stored. Postgres holds a gigabyte in a text; people's tools don't.
    run_result_max_bytes: Annotated[int, Field(ge=1_000, le=100_000_000)] = 4_000_000

    # Files that a run may make, and how large each may be.
    run_artifacts: Annotated[int, Field(ge=0, le=1_000)] = 20
    run_artifact_max_bytes: Annotated[int, Field(ge=1, le=5_000_000_000)] = 20_000_000

    # One process a pool process waits with the ML libraries loaded (about 130 MB): runs begin two seconds sooner.
    run_warm_children: bool = True

    reaper_interval_seconds: Seconds = 5.0
    # How often schedules are looked at, and how late a firing may be before it counts as missed.
    schedule_interval_seconds: Seconds = 1.0
    schedule_grace_seconds: Seconds = 60.0
    # Instances of one account that may wait or run at once; the instance subgraph reads the same.
    instances_active_per_account: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    # How often files that count for nothing are looked for, and how old those of lost attempts have to be.
    janitor_interval_seconds: Seconds = 30.0
    artifact_grace_seconds: Seconds = 600.0
    sweep_interval_seconds: Seconds = 5.0
    # How long a sent message may take to be claimed before another is sent; it grows with the run's waiting time.
    dispatch_claim_timeout_seconds: Seconds = 30.0
    dispatch_timeout_seconds: Seconds = 15.0

    # A message that was not acknowledged comes back after this. The row's lease, not the message, owns the run, so
    # a message that comes back during a long run is looked at and dropped.
    pgmq_visibility_seconds: Annotated[int, Field(ge=5, le=86_400)] = 120
    pgmq_poll_seconds: Annotated[float, Field(ge=0.01, le=60)] = 0.25

    @model_validator(mode="after")
    def _lease_outlives_heartbeats(self) -> Self:
        if self.run_lease_seconds < 2 * self.run_heartbeat_seconds:
            raise ValueError("BOTBERI_RUN_LEASE_SECONDS must be at least twice BOTBERI_RUN_HEARTBEAT_SECONDS")
        return self

    @property
    def broker_url(self) -> str | None:
        """RabbitMQ for Celery, or None for `pgmq` on the shared database."""
        return self.celery_broker_url or self.amqp_url


def _smtp_url(url: str) -> str:
    if not url.startswith(("smtp://", "smtps://", "smtp+plain://")):
        # The value is not repeated: it may hold a password.
        raise ValueError("must look like smtps://user:password@host:465, smtp://… or smtp+plain://…")
    return url


class IdentityWorkerSettings(WorkerSettings, SecretSettings):
    """What the worker of identity's queue reads beyond Celery's settings."""

    # The server that takes mails: `smtps://user:password@host:465` (TLS), `smtp://…:587` (STARTTLS, or no mail), or
    # `smtp+plain://…:25` (a relay on the same machine). Unset: mails are files in the state folder, and the log has
    # their links; BOTBERI_ENV=prod refuses that.
    smtp_url: Annotated[str, AfterValidator(_smtp_url)] | None = Field(default=None, repr=False)
    # Who mails are from.
    mail_from: Annotated[str, Field(min_length=3, max_length=320)] = "Botberi <botberi@localhost>"
    # How long a mail is tried for.
    mail_max_age_seconds: Seconds = 86_400.0
    mail_backoff_seconds: Seconds = 5.0
    mail_backoff_max_seconds: Seconds = 1_800.0
    # How long the mail server may take for one mail.
    mail_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 20.0
    # Tasks of identity (mails, exports, closed accounts) at once.
    identity_worker_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    # How often it looks for what waits, beside being woken.
    identity_sweep_seconds: Seconds = 5.0
    # How often what has ended is removed from the tables.
    identity_prune_seconds: Seconds = 3_600.0
    # What becomes of published agents and templates of a closed account: the platform's, or retired.
    closed_accounts_agents: Literal["hand_over", "retire"] = "hand_over"
    # How long the file of an export is kept.
    export_days: Annotated[int, Field(ge=1, le=365)] = 7

    def require_all(self) -> None:
        """Raise `SettingsError` for what the worker cannot do without."""
        self.require_user_database_url()
        self.require_shared_database_url()
        needed = ("public_url", *(("smtp_url", "identity_secret") if self.env == "prod" else ()))
        for name in needed:
            if not getattr(self, name):
                raise SettingsError(f"BOTBERI_{name.upper()} is not set: the worker of identity needs it")


def backoff(settings: WorkerSettings, attempt: int) -> float:
    """How many seconds the attempt after this one waits for."""
    return pause_after(attempt, settings.run_backoff_seconds, settings.run_backoff_max_seconds)


def process_name() -> str:
    """Name of a lease's holder, for people who read the row: host and process."""
    return f"{socket.gethostname()[:100]}:{os.getpid()}"
