"""Tables of instances in `shared_psql`: their logs, history and files, and the schedules that make instances."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    FetchedValue,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shared_schema.models.base import Identified, SharedBase, Versioned, one_of, status_type
from shared_schema.models.json_column import JsonText
from shared_schema.models.shared import Agent, Template
from shared_schema.states import TERMINAL, InstanceStatus, LogLevel, MissedFirings, OverlapPolicy

_TERMINAL = ", ".join(repr(status.value) for status in InstanceStatus if status in TERMINAL)


class InstanceLog(SharedBase):
    """A line of a run's log: what its workflow said, how far it was, or what became of it (those are the trigger's)."""

    __tablename__ = "instance_logs"

    instance_id: Mapped[UUID] = mapped_column(ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True)
    # 1, 2, 3 … without gaps.
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    # A trigger refuses lines of any other attempt than the instance's present one.
    attempt: Mapped[int] = mapped_column(Integer)
    level: Mapped[LogLevel] = mapped_column(status_type(LogLevel))
    message: Mapped[str] = mapped_column(String(2000))
    progress: Mapped[float | None] = mapped_column(Double)
    logged_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))

    __table_args__ = (
        CheckConstraint("sequence >= 1", name="sequence"),
        CheckConstraint("attempt >= 0", name="attempt"),
        CheckConstraint(one_of("level", LogLevel), name="level"),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),
    )


class InstanceHistory(SharedBase):
    """A step of an instance, written by trigger and never changed: what it became, in which attempt, when."""

    __tablename__ = "instance_history"

    instance_id: Mapped[UUID] = mapped_column(ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True)
    # The instance's version with which the step came.
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    status: Mapped[InstanceStatus] = mapped_column(status_type(InstanceStatus))
    attempt: Mapped[int] = mapped_column(Integer)
    lease_owner: Mapped[str | None] = mapped_column(String(200))
    changed_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))

    __table_args__ = (
        # One ending, whatever goes wrong in code or trigger.
        Index(
            "uq_instance_history_ending",
            "instance_id",
            unique=True,
            postgresql_where=text(f"status IN ({_TERMINAL})"),
        ),
    )


class InstanceArtifact(Identified, SharedBase):
    """A file that a run made. It counts (`promoted_at`) from the moment in which its attempt succeeded."""

    __tablename__ = "instance_artifacts"

    instance_id: Mapped[UUID] = mapped_column(ForeignKey("instances.id", ondelete="CASCADE"))
    attempt: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(120))
    content_type: Mapped[str] = mapped_column(String(120))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    # Where the storage has it; the attempt is part of it, so that two attempts never write to one place.
    storage_key: Mapped[str] = mapped_column(String(300))
    promoted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("attempt >= 1", name="attempt"),
        CheckConstraint("size_bytes >= 0", name="size_bytes"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        CheckConstraint("btrim(name) <> ''", name="name"),
        Index("uq_instance_artifacts_instance_id_attempt_name", "instance_id", "attempt", "name", unique=True),
        Index("uq_instance_artifacts_storage_key", "storage_key", unique=True),
    )


class Schedule(Versioned, SharedBase):
    """A rule that makes an instance again and again. A paused or deleted one has no next firing."""

    __tablename__ = "schedules"

    # An account of `user_psql`.
    owner_id: Mapped[UUID]
    # A workspace of `user_psql`; by default, and by trigger, the personal one of the account above.
    workspace_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="RESTRICT"))
    template_id: Mapped[UUID | None] = mapped_column(ForeignKey("templates.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(120))
    parameters: Mapped[dict[str, Any]] = mapped_column(JsonText, server_default=text("'{}'"))
    # Five fields, read in the time zone (an IANA name).
    cron: Mapped[str] = mapped_column(String(120))
    time_zone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    missed: Mapped[MissedFirings] = mapped_column(
        status_type(MissedFirings), server_default=MissedFirings.RUN_ONCE.value
    )
    overlap: Mapped[OverlapPolicy] = mapped_column(status_type(OverlapPolicy), server_default=OverlapPolicy.SKIP.value)
    next_fire_at: Mapped[datetime | None]
    last_fired_at: Mapped[datetime | None]
    # Why the last firing made no instance.
    last_error: Mapped[str | None] = mapped_column(String(500))
    paused_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    agent: Mapped[Agent] = relationship()
    template: Mapped[Template | None] = relationship()

    __table_args__ = (
        CheckConstraint("btrim(name) <> ''", name="name"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("left(parameters, 1) = '{'", name="parameters"),
        CheckConstraint(one_of("missed", MissedFirings), name="missed"),
        CheckConstraint(one_of("overlap", OverlapPolicy), name="overlap"),
        CheckConstraint(
            "(next_fire_at IS NULL) = (paused_at IS NOT NULL OR deleted_at IS NOT NULL)", name="next_fire_at"
        ),
        Index("ix_schedules_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
        Index("ix_schedules_owner_id_created_at_id", "owner_id", "created_at", "id"),
        Index("ix_schedules_next_fire_at", "next_fire_at", postgresql_where=text("next_fire_at IS NOT NULL")),
    )
