"""The tables of `shared_psql`: the catalog's agents and templates, and instances that run them (more in `runs`)."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    Date,
    Double,
    FetchedValue,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from shared_schema.models.base import SharedBase, Versioned, one_of, status_type
from shared_schema.models.inbox import InboxColumns
from shared_schema.models.json_column import JsonText
from shared_schema.models.outbox import CURRENT_TRACE, OutboxColumns, Xid8
from shared_schema.states import InstanceStatus, PublicationStatus

# Words that people put in addresses: lower case, digits, single hyphens.
_SLUG = "slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'"
_SEARCH = (
    "to_tsvector('english'::regconfig, name || ' ' || replace(slug, '-', ' ') || ' ' || summary || ' ' || description)"
)
# Bounds of what a template may ask for; null means the platform's own.
_MAX_ATTEMPTS = "max_attempts BETWEEN 1 AND 20"
_TIMEOUT = "timeout_seconds BETWEEN 1 AND 86400"


class Agent(Versioned, SharedBase):
    """An ML workflow that people can run, as the catalog offers it."""

    __tablename__ = "agents"

    slug: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(120))
    summary: Mapped[str] = mapped_column(String(300), server_default="")
    description: Mapped[str] = mapped_column(Text, server_default="")
    # The slug in `workers.registry.WORKFLOWS`, and the version of that code.
    workflow: Mapped[str] = mapped_column(String(128))
    workflow_version: Mapped[str] = mapped_column(String(64), server_default="1")
    status: Mapped[PublicationStatus] = mapped_column(
        status_type(PublicationStatus), server_default=PublicationStatus.DRAFT.value
    )
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    parameters_schema: Mapped[dict[str, Any]] = mapped_column(JsonText, server_default=text("'{}'"))
    # An account of `user_psql`.
    publisher_id: Mapped[UUID]
    # A workspace of `user_psql`; by default, and by trigger, the personal one of the account above.
    workspace_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    published_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    search: Mapped[Any] = deferred(mapped_column(TSVECTOR, Computed(_SEARCH, persisted=True)))

    templates: Mapped[list["Template"]] = relationship(back_populates="agent", passive_deletes="all")

    __table_args__ = (
        CheckConstraint(one_of("status", PublicationStatus), name="status"),
        CheckConstraint(_SLUG, name="slug"),
        CheckConstraint("btrim(name) <> ''", name="name"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("left(parameters_schema, 1) = '{'", name="parameters_schema"),
        CheckConstraint("array_position(tags, NULL) IS NULL", name="tags"),
        Index("uq_agents_slug", "slug", unique=True),
        Index("ix_agents_created_at_id", "created_at", "id"),
        Index("ix_agents_name_id", "name", "id"),
        Index("ix_agents_status_created_at_id", "status", "created_at", "id"),
        Index("ix_agents_publisher_id_created_at_id", "publisher_id", "created_at", "id"),
        Index("ix_agents_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
        Index("ix_agents_tags", "tags", postgresql_using="gin"),
        Index("ix_agents_search", "search", postgresql_using="gin"),
    )


class AgentDay(SharedBase):
    """Runs of an agent that were made on one day (UTC), and how they ended, as the catalog's worker counts them."""

    __tablename__ = "agent_days"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    runs: Mapped[int] = mapped_column(Integer)
    succeeded: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        CheckConstraint("succeeded >= 0 AND failed >= 0 AND succeeded + failed <= runs", name="counts"),
        Index("ix_agent_days_day", "day"),
    )


class Template(Versioned, SharedBase):
    """An agent with parameters filled in, to start from."""

    __tablename__ = "templates"

    slug: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(120))
    summary: Mapped[str] = mapped_column(String(300), server_default="")
    description: Mapped[str] = mapped_column(Text, server_default="")
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="RESTRICT"))
    parameters: Mapped[dict[str, Any]] = mapped_column(JsonText, server_default=text("'{}'"))
    status: Mapped[PublicationStatus] = mapped_column(
        status_type(PublicationStatus), server_default=PublicationStatus.DRAFT.value
    )
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    publisher_id: Mapped[UUID]
    # A workspace of `user_psql`; by default, and by trigger, the personal one of the account above.
    workspace_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    # What instances made from it get; unset: the platform's.
    max_attempts: Mapped[int | None] = mapped_column(SmallInteger)
    timeout_seconds: Mapped[int | None] = mapped_column(Integer)
    published_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    search: Mapped[Any] = deferred(mapped_column(TSVECTOR, Computed(_SEARCH, persisted=True)))

    agent: Mapped[Agent] = relationship(back_populates="templates")

    __table_args__ = (
        CheckConstraint(one_of("status", PublicationStatus), name="status"),
        CheckConstraint(_SLUG, name="slug"),
        CheckConstraint("btrim(name) <> ''", name="name"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("left(parameters, 1) = '{'", name="parameters"),
        CheckConstraint("array_position(tags, NULL) IS NULL", name="tags"),
        CheckConstraint(_MAX_ATTEMPTS, name="max_attempts"),
        CheckConstraint(_TIMEOUT, name="timeout_seconds"),
        Index("uq_templates_slug", "slug", unique=True),
        Index("ix_templates_created_at_id", "created_at", "id"),
        Index("ix_templates_name_id", "name", "id"),
        Index("ix_templates_status_created_at_id", "status", "created_at", "id"),
        Index("ix_templates_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
        Index("ix_templates_agent_id_created_at_id", "agent_id", "created_at", "id"),
        Index("ix_templates_publisher_id_created_at_id", "publisher_id", "created_at", "id"),
        Index("ix_templates_tags", "tags", postgresql_using="gin"),
        Index("ix_templates_search", "search", postgresql_using="gin"),
    )


class Instance(Versioned, SharedBase):
    """One run of an agent for its owner. Triggers keep its version, its transitions and its events."""

    __tablename__ = "instances"

    # An account of `user_psql`.
    owner_id: Mapped[UUID]
    # A workspace of `user_psql`; by default, and by trigger, the personal one of the account above.
    workspace_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="RESTRICT"))
    template_id: Mapped[UUID | None] = mapped_column(ForeignKey("templates.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(120))
    parameters: Mapped[dict[str, Any]] = mapped_column(JsonText, server_default=text("'{}'"))
    status: Mapped[InstanceStatus] = mapped_column(
        status_type(InstanceStatus), server_default=InstanceStatus.PENDING.value
    )
    progress: Mapped[float] = mapped_column(Double, server_default=text("0"))
    progress_message: Mapped[str | None] = mapped_column(String(500))
    result: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(String(2000))
    # Counts claims; the holder of the newest attempt is the only one that may write.
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    lease_owner: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    celery_task_id: Mapped[str | None] = mapped_column(String(200))
    # Limits of this run, as its template had them when it was made; unset: the platform's.
    max_attempts: Mapped[int | None] = mapped_column(SmallInteger)
    timeout_seconds: Mapped[int | None] = mapped_column(Integer)
    # The number of the newest line of its log.
    log_sequence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # Unique per owner: the same request sent twice makes one instance. The hash is the request's SHA-256.
    idempotency_key: Mapped[str | None] = mapped_column(String(120))
    request_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    # The instance whose parameters it has; `retry_of` when that had failed and this is the one to take its place.
    rerun_of: Mapped[UUID | None] = mapped_column(ForeignKey("instances.id", ondelete="SET NULL"))
    retry_of: Mapped[UUID | None] = mapped_column(ForeignKey("instances.id", ondelete="SET NULL"))
    schedule_id: Mapped[UUID | None] = mapped_column(ForeignKey("schedules.id", ondelete="SET NULL"))
    scheduled_for: Mapped[datetime | None]
    queued_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    # The W3C trace in which it was made; what becomes of it belongs to it, whichever part does it.
    traceparent: Mapped[str] = mapped_column(String(55), server_default=text(CURRENT_TRACE))
    # The transaction of the newest version; a trigger keeps it. The order in which changes become visible.
    changed_in: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"), deferred=True)

    agent: Mapped[Agent] = relationship()
    template: Mapped[Template | None] = relationship()

    __table_args__ = (
        CheckConstraint(one_of("status", InstanceStatus), name="status"),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),
        CheckConstraint("attempt >= 0", name="attempt"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("btrim(name) <> ''", name="name"),
        CheckConstraint("left(parameters, 1) = '{'", name="parameters"),
        CheckConstraint("(lease_owner IS NULL) = (lease_expires_at IS NULL)", name="lease"),
        CheckConstraint("error_code IS NOT NULL OR error_message IS NULL", name="error"),
        CheckConstraint(_MAX_ATTEMPTS, name="max_attempts"),
        CheckConstraint(_TIMEOUT, name="timeout_seconds"),
        CheckConstraint("octet_length(request_hash) = 32", name="request_hash"),
        CheckConstraint("(schedule_id IS NULL) OR (scheduled_for IS NOT NULL)", name="schedule"),
        Index("ix_instances_owner_id_created_at_id", "owner_id", "created_at", "id"),
        Index("ix_instances_owner_id_status_created_at_id", "owner_id", "status", "created_at", "id"),
        Index("ix_instances_owner_id_changed_in_id", "owner_id", "changed_in", "id"),
        Index("ix_instances_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
        Index("ix_instances_workspace_id_status_created_at_id", "workspace_id", "status", "created_at", "id"),
        Index("ix_instances_workspace_id_changed_in_id", "workspace_id", "changed_in", "id"),
        Index("ix_instances_agent_id_created_at_id", "agent_id", "created_at", "id"),
        Index("ix_instances_template_id", "template_id"),
        Index("ix_instances_created_at_id", "created_at", "id"),
        Index(
            "uq_instances_owner_id_idempotency_key",
            "owner_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index("ix_instances_rerun_of", "rerun_of", postgresql_where=text("rerun_of IS NOT NULL")),
        # A failed run has one run in its place; who deletes that may have another.
        Index(
            "uq_instances_retry_of",
            "retry_of",
            unique=True,
            postgresql_where=text("retry_of IS NOT NULL AND deleted_at IS NULL"),
        ),
        # A firing makes one instance, however many schedulers see it.
        Index(
            "uq_instances_schedule_id_scheduled_for",
            "schedule_id",
            "scheduled_for",
            unique=True,
            postgresql_where=text("schedule_id IS NOT NULL"),
        ),
        Index(
            "ix_instances_schedule_id_created_at_id",
            "schedule_id",
            "created_at",
            "id",
            postgresql_where=text("schedule_id IS NOT NULL"),
        ),
        # The reaper looks for these: leases that ran out, and runs that no worker took.
        Index("ix_instances_lease_expires_at", "lease_expires_at", postgresql_where=text("status = 'RUNNING'")),
        Index("ix_instances_waiting", "updated_at", postgresql_where=text("status IN ('PENDING', 'QUEUED')")),
    )


class SharedOutbox(OutboxColumns, SharedBase):
    """Events of `shared_psql`."""


class SharedInbox(InboxColumns, SharedBase):
    """Messages handled by consumers whose effects are in `shared_psql`."""
