"""The transaction of an instance's newest version: the order in which changes became visible."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from shared_schema.migrations.script import run_script
from shared_schema.models.outbox import Xid8

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Triggers of one kind run in the order of their names: `instances_before_update` has set the version by then.
TRIGGER = """
CREATE FUNCTION instances_changed_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_in := CASE WHEN NEW.version <> OLD.version THEN pg_current_xact_id() ELSE OLD.changed_in END;
    RETURN NEW;
END
$$;
CREATE TRIGGER instances_changed_in BEFORE UPDATE ON instances
    FOR EACH ROW EXECUTE FUNCTION instances_changed_in();
"""

DOWN = """
DROP TRIGGER instances_changed_in ON instances;
DROP FUNCTION instances_changed_in();
"""


def upgrade() -> None:
    """Apply."""
    column = sa.Column("changed_in", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False)
    op.add_column("instances", column)
    op.create_index("ix_instances_owner_id_changed_in_id", "instances", ["owner_id", "changed_in", "id"])
    run_script(TRIGGER)


def downgrade() -> None:
    """Take back."""
    run_script(DOWN)
    op.drop_index("ix_instances_owner_id_changed_in_id", "instances")
    op.drop_column("instances", "changed_in")
