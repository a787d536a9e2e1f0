"""The tables of logs, history, files and schedules of runs; limits and origins of instances. As the models say."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column(
            "parameters",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("cron", sa.String(length=120), nullable=False),
        sa.Column("time_zone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column(
            "missed",
            sa.Enum("SKIP", "RUN_ONCE", name="missedfirings", native_enum=False, length=16),
            server_default="RUN_ONCE",
            nullable=False,
        ),
        sa.Column("next_fire_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_fired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=500), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_schedules_name")),
        sa.CheckConstraint("jsonb_typeof(parameters) = 'object'", name=op.f("ck_schedules_parameters")),
        sa.CheckConstraint("missed IN ('SKIP', 'RUN_ONCE')", name=op.f("ck_schedules_missed")),
        sa.CheckConstraint(
            "(next_fire_at IS NULL) = (paused_at IS NOT NULL OR deleted_at IS NOT NULL)",
            name=op.f("ck_schedules_next_fire_at"),
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_schedules_version")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_schedules_agent_id_agents"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("fk_schedules_template_id_templates"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index(
        "ix_schedules_next_fire_at",
        "schedules",
        ["next_fire_at"],
        unique=False,
        postgresql_where=sa.text("next_fire_at IS NOT NULL"),
    )
    op.create_index("ix_schedules_owner_id_created_at_id", "schedules", ["owner_id", "created_at", "id"], unique=False)
    op.create_table(
        "instance_artifacts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("content_type", sa.String(length=120), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("storage_key", sa.String(length=300), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_instance_artifacts_name")),
        sa.CheckConstraint("attempt >= 1", name=op.f("ck_instance_artifacts_attempt")),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_instance_artifacts_sha256")),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_instance_artifacts_size_bytes")),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instances.id"],
            name=op.f("fk_instance_artifacts_instance_id_instances"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance_artifacts")),
    )
    op.create_index(
        "uq_instance_artifacts_instance_id_attempt_name",
        "instance_artifacts",
        ["instance_id", "attempt", "name"],
        unique=True,
    )
    op.create_index("uq_instance_artifacts_storage_key", "instance_artifacts", ["storage_key"], unique=True)
    op.create_table(
        "instance_history",
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "PENDING",
                "QUEUED",
                "RUNNING",
                "SUCCEEDED",
                "FAILED",
                "CANCELLED",
                "TIMED_OUT",
                name="instancestatus",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=200), nullable=True),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instances.id"],
            name=op.f("fk_instance_history_instance_id_instances"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("instance_id", "version", name=op.f("pk_instance_history")),
    )
    op.create_index(
        "uq_instance_history_ending",
        "instance_history",
        ["instance_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT')"),
    )
    op.create_table(
        "instance_logs",
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column(
            "level",
            sa.Enum("DEBUG", "INFO", "WARNING", "ERROR", name="loglevel", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("message", sa.String(length=2000), nullable=False),
        sa.Column("progress", sa.Double(), nullable=True),
        sa.Column("logged_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("level IN ('DEBUG', 'INFO', 'WARNING', 'ERROR')", name=op.f("ck_instance_logs_level")),
        sa.CheckConstraint("attempt >= 0", name=op.f("ck_instance_logs_attempt")),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f("ck_instance_logs_progress")),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_instance_logs_sequence")),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["instances.id"], name=op.f("fk_instance_logs_instance_id_instances"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("instance_id", "sequence", name=op.f("pk_instance_logs")),
    )
    op.add_column("instances", sa.Column("max_attempts", sa.SmallInteger(), nullable=True))
    op.add_column("instances", sa.Column("timeout_seconds", sa.Integer(), nullable=True))
    op.add_column("instances", sa.Column("log_sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("instances", sa.Column("request_hash", sa.LargeBinary(length=32), nullable=True))
    op.add_column("instances", sa.Column("rerun_of", sa.Uuid(), nullable=True))
    op.add_column("instances", sa.Column("retry_of", sa.Uuid(), nullable=True))
    op.add_column("instances", sa.Column("schedule_id", sa.Uuid(), nullable=True))
    op.add_column("instances", sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_instances_rerun_of",
        "instances",
        ["rerun_of"],
        unique=False,
        postgresql_where=sa.text("rerun_of IS NOT NULL"),
    )
    op.create_index(
        "ix_instances_schedule_id_created_at_id",
        "instances",
        ["schedule_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("schedule_id IS NOT NULL"),
    )
    op.create_index(
        "uq_instances_retry_of",
        "instances",
        ["retry_of"],
        unique=True,
        postgresql_where=sa.text("retry_of IS NOT NULL AND deleted_at IS NULL"),
    )
    op.create_index(
        "uq_instances_schedule_id_scheduled_for",
        "instances",
        ["schedule_id", "scheduled_for"],
        unique=True,
        postgresql_where=sa.text("schedule_id IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_instances_rerun_of_instances"), "instances", "instances", ["rerun_of"], ["id"], ondelete="SET NULL"
    )
    op.create_foreign_key(
        op.f("fk_instances_retry_of_instances"), "instances", "instances", ["retry_of"], ["id"], ondelete="SET NULL"
    )
    op.create_foreign_key(
        op.f("fk_instances_schedule_id_schedules"),
        "instances",
        "schedules",
        ["schedule_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.add_column("templates", sa.Column("max_attempts", sa.SmallInteger(), nullable=True))
    op.add_column("templates", sa.Column("timeout_seconds", sa.Integer(), nullable=True))
    for table in ("templates", "instances"):
        op.create_check_constraint(op.f(f"ck_{table}_max_attempts"), table, "max_attempts BETWEEN 1 AND 20")
        op.create_check_constraint(op.f(f"ck_{table}_timeout_seconds"), table, "timeout_seconds BETWEEN 1 AND 86400")
    op.create_check_constraint(op.f("ck_instances_request_hash"), "instances", "octet_length(request_hash) = 32")
    op.create_check_constraint(
        op.f("ck_instances_schedule"), "instances", "(schedule_id IS NULL) OR (scheduled_for IS NOT NULL)"
    )


def downgrade() -> None:
    """Take back."""
    op.drop_column("templates", "timeout_seconds")
    op.drop_column("templates", "max_attempts")
    op.drop_constraint(op.f("fk_instances_schedule_id_schedules"), "instances", type_="foreignkey")
    op.drop_constraint(op.f("fk_instances_retry_of_instances"), "instances", type_="foreignkey")
    op.drop_constraint(op.f("fk_instances_rerun_of_instances"), "instances", type_="foreignkey")
    op.drop_index(
        "uq_instances_schedule_id_scheduled_for",
        table_name="instances",
        postgresql_where=sa.text("schedule_id IS NOT NULL"),
    )
    op.drop_index(
        "uq_instances_retry_of",
        table_name="instances",
        postgresql_where=sa.text("retry_of IS NOT NULL AND deleted_at IS NULL"),
    )
    op.drop_index(
        "ix_instances_schedule_id_created_at_id",
        table_name="instances",
        postgresql_where=sa.text("schedule_id IS NOT NULL"),
    )
    op.drop_index("ix_instances_rerun_of", table_name="instances", postgresql_where=sa.text("rerun_of IS NOT NULL"))
    op.drop_column("instances", "scheduled_for")
    op.drop_column("instances", "schedule_id")
    op.drop_column("instances", "retry_of")
    op.drop_column("instances", "rerun_of")
    op.drop_column("instances", "request_hash")
    op.drop_column("instances", "log_sequence")
    op.drop_column("instances", "timeout_seconds")
    op.drop_column("instances", "max_attempts")
    op.drop_table("instance_logs")
    op.drop_index(
        "uq_instance_history_ending",
        table_name="instance_history",
        postgresql_where=sa.text("status IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT')"),
    )
    op.drop_table("instance_history")
    op.drop_index("uq_instance_artifacts_storage_key", table_name="instance_artifacts")
    op.drop_index("uq_instance_artifacts_instance_id_attempt_name", table_name="instance_artifacts")
    op.drop_table("instance_artifacts")
    op.drop_index("ix_schedules_owner_id_created_at_id", table_name="schedules")
    op.drop_index(
        "ix_schedules_next_fire_at", table_name="schedules", postgresql_where=sa.text("next_fire_at IS NOT NULL")
    )
    op.drop_table("schedules")
