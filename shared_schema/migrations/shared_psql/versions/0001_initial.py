"""The tables of `shared_psql`, as generated from the models."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared_schema.models.outbox import Xid8

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "agents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("summary", sa.String(length=300), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("workflow", sa.String(length=128), nullable=False),
        sa.Column("workflow_version", sa.String(length=64), server_default="1", nullable=False),
        sa.Column(
            "status",
            sa.Enum("DRAFT", "PUBLISHED", "RETIRED", name="publicationstatus", native_enum=False, length=16),
            server_default="DRAFT",
            nullable=False,
        ),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "parameters_schema",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("publisher_id", sa.Uuid(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('english'::regconfig, name || ' ' || replace(slug, '-', ' ') || ' ' || summary || ' ' "
                "|| description)",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_agents_name")),
        sa.CheckConstraint("jsonb_typeof(parameters_schema) = 'object'", name=op.f("ck_agents_parameters_schema")),
        sa.CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name=op.f("ck_agents_slug")),
        sa.CheckConstraint("status IN ('DRAFT', 'PUBLISHED', 'RETIRED')", name=op.f("ck_agents_status")),
        sa.CheckConstraint("array_position(tags, NULL) IS NULL", name=op.f("ck_agents_tags")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_agents_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
    )
    op.create_index("ix_agents_created_at_id", "agents", ["created_at", "id"], unique=False)
    op.create_index("ix_agents_name_id", "agents", ["name", "id"], unique=False)
    op.create_index(
        "ix_agents_publisher_id_created_at_id", "agents", ["publisher_id", "created_at", "id"], unique=False
    )
    op.create_index("ix_agents_search", "agents", ["search"], unique=False, postgresql_using="gin")
    op.create_index("ix_agents_status_created_at_id", "agents", ["status", "created_at", "id"], unique=False)
    op.create_index("ix_agents_tags", "agents", ["tags"], unique=False, postgresql_using="gin")
    op.create_index("uq_agents_slug", "agents", ["slug"], unique=True)
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("aggregate_type", sa.String(length=64), nullable=False),
        sa.Column("aggregate_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("event_type", sa.String(length=128), nullable=False),
        sa.Column("data", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.String(length=1000), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_outbox_attempts")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_outbox_version")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_published_at",
        "outbox",
        ["published_at"],
        unique=False,
        postgresql_where=sa.text("published_at IS NOT NULL"),
    )
    op.create_index(
        "ix_outbox_waiting", "outbox", ["seq"], unique=False, postgresql_where=sa.text("published_at IS NULL")
    )
    op.create_index(
        "ix_outbox_waiting_aggregate",
        "outbox",
        ["aggregate_type", "aggregate_id", "seq"],
        unique=False,
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_index("uq_outbox_id", "outbox", ["id"], unique=True)
    op.create_table(
        "templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("summary", sa.String(length=300), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column(
            "parameters",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum("DRAFT", "PUBLISHED", "RETIRED", name="publicationstatus", native_enum=False, length=16),
            server_default="DRAFT",
            nullable=False,
        ),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("publisher_id", sa.Uuid(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('english'::regconfig, name || ' ' || replace(slug, '-', ' ') || ' ' || summary || ' ' "
                "|| description)",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_templates_name")),
        sa.CheckConstraint("jsonb_typeof(parameters) = 'object'", name=op.f("ck_templates_parameters")),
        sa.CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name=op.f("ck_templates_slug")),
        sa.CheckConstraint("status IN ('DRAFT', 'PUBLISHED', 'RETIRED')", name=op.f("ck_templates_status")),
        sa.CheckConstraint("array_position(tags, NULL) IS NULL", name=op.f("ck_templates_tags")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_templates_version")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_templates_agent_id_agents"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_templates")),
    )
    op.create_index("ix_templates_agent_id_created_at_id", "templates", ["agent_id", "created_at", "id"], unique=False)
    op.create_index("ix_templates_created_at_id", "templates", ["created_at", "id"], unique=False)
    op.create_index("ix_templates_name_id", "templates", ["name", "id"], unique=False)
    op.create_index(
        "ix_templates_publisher_id_created_at_id", "templates", ["publisher_id", "created_at", "id"], unique=False
    )
    op.create_index("ix_templates_search", "templates", ["search"], unique=False, postgresql_using="gin")
    op.create_index("ix_templates_status_created_at_id", "templates", ["status", "created_at", "id"], unique=False)
    op.create_index("ix_templates_tags", "templates", ["tags"], unique=False, postgresql_using="gin")
    op.create_index("uq_templates_slug", "templates", ["slug"], unique=True)
    op.create_table(
        "instances",
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
            server_default="PENDING",
            nullable=False,
        ),
        sa.Column("progress", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("progress_message", sa.String(length=500), nullable=True),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.String(length=2000), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_owner", sa.String(length=200), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("celery_task_id", sa.String(length=200), nullable=True),
        sa.Column("idempotency_key", sa.String(length=120), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_instances_name")),
        sa.CheckConstraint("jsonb_typeof(parameters) = 'object'", name=op.f("ck_instances_parameters")),
        sa.CheckConstraint(
            "status IN ('PENDING', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT')",
            name=op.f("ck_instances_status"),
        ),
        sa.CheckConstraint("(lease_owner IS NULL) = (lease_expires_at IS NULL)", name=op.f("ck_instances_lease")),
        sa.CheckConstraint("attempt >= 0", name=op.f("ck_instances_attempt")),
        sa.CheckConstraint("error_code IS NOT NULL OR error_message IS NULL", name=op.f("ck_instances_error")),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f("ck_instances_progress")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_instances_version")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_instances_agent_id_agents"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("fk_instances_template_id_templates"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instances")),
    )
    op.create_index("ix_instances_agent_id_created_at_id", "instances", ["agent_id", "created_at", "id"], unique=False)
    op.create_index("ix_instances_created_at_id", "instances", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_instances_lease_expires_at",
        "instances",
        ["lease_expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'RUNNING'"),
    )
    op.create_index("ix_instances_owner_id_created_at_id", "instances", ["owner_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_instances_owner_id_status_created_at_id",
        "instances",
        ["owner_id", "status", "created_at", "id"],
        unique=False,
    )
    op.create_index("ix_instances_template_id", "instances", ["template_id"], unique=False)
    op.create_index(
        "ix_instances_waiting",
        "instances",
        ["updated_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('PENDING', 'QUEUED')"),
    )
    op.create_index(
        "uq_instances_owner_id_idempotency_key",
        "instances",
        ["owner_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index(
        "ix_instances_waiting", table_name="instances", postgresql_where=sa.text("status IN ('PENDING', 'QUEUED')")
    )
    op.drop_table("instances")
    op.drop_table("templates")
    op.drop_table("outbox")
    op.drop_table("agents")
