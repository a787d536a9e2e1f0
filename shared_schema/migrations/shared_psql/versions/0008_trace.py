"""The trace in which an instance was made; its events are in that trace, whichever part changes the row later."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from shared_schema.migrations.script import run_script

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Added without, then given a default: rows of before must not look as if the migration's trace had made them.
TRACE = """
ALTER TABLE instances ALTER COLUMN traceparent SET DEFAULT
    coalesce(substring(current_setting('botberi.traceparent', true),
        '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'), '');

-- A worker, a reaper or a sweeper acts in no request's trace: what it does to a run belongs to the run's own.
CREATE FUNCTION outbox_trace() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.traceparent := coalesce((SELECT traceparent FROM instances WHERE id = NEW.aggregate_id), '');
    RETURN NEW;
END
$$;
CREATE TRIGGER outbox_trace BEFORE INSERT ON outbox
    FOR EACH ROW WHEN (NEW.traceparent = '' AND NEW.aggregate_type = 'instance') EXECUTE FUNCTION outbox_trace();
"""

DOWN = """
DROP TRIGGER outbox_trace ON outbox;
DROP FUNCTION outbox_trace();
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("instances", sa.Column("traceparent", sa.String(55), server_default="", nullable=False))
    run_script(TRACE)


def downgrade() -> None:
    """Take back."""
    run_script(DOWN)
    op.drop_column("instances", "traceparent")
