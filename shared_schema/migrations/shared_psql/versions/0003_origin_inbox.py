"""An event's actor, trace, contract and replays in the outbox of `shared_psql`; the inbox of its consumers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from shared_schema.migrations.script import run_script

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Added without, then given a default: rows of before must not look as if the migration had made them.
DEFAULTS = """
ALTER TABLE outbox ALTER COLUMN actor SET DEFAULT left(coalesce(nullif(current_setting('botberi.actor', true), ''),
    nullif(current_setting('application_name', true), '')), 200);
ALTER TABLE outbox ALTER COLUMN traceparent SET DEFAULT
    coalesce(substring(current_setting('botberi.traceparent', true),
        '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'), '');
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("outbox", sa.Column("data_version", sa.SmallInteger(), server_default=sa.text("1"), nullable=False))
    op.create_check_constraint(op.f("ck_outbox_data_version"), "outbox", "data_version >= 1")
    op.add_column("outbox", sa.Column("actor", sa.String(length=200), nullable=True))
    op.add_column("outbox", sa.Column("traceparent", sa.String(length=55), server_default="", nullable=False))
    op.add_column("outbox", sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True))
    run_script(DEFAULTS)
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(length=200), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "handled_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_inbox")),
    )
    op.create_index("ix_inbox_handled_at", "inbox", ["handled_at"], unique=False, postgresql_using="brin")


def downgrade() -> None:
    """Take back."""
    op.drop_table("inbox")
    op.drop_index("ix_outbox_created_at", table_name="outbox", postgresql_using="brin")
    op.drop_column("outbox", "replayed_at")
    op.drop_column("outbox", "traceparent")
    op.drop_column("outbox", "actor")
    op.drop_column("outbox", "data_version")
