"""Agents, templates, instances and schedules belong to a workspace; row-level security, for roles but the owner."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from shared_schema.migrations.script import run_script

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# What belonged to an account belongs to its personal workspace, which has the account's id.
OWNERS = {"agents": "publisher_id", "templates": "publisher_id", "instances": "owner_id", "schedules": "owner_id"}
# Policies are given with the services' rights (`shared_schema.roles`): a role without one sees no row.
SECURED = (*OWNERS, "instance_logs", "instance_history", "instance_artifacts")

# Events say the workspace: `'workspace_id', …` before `'owner_id', …` in the functions that write them.
EVENTS = """
DO $$
DECLARE
    name text;
    body text;
BEGIN
    FOREACH name IN ARRAY ARRAY['agents_event', 'templates_event', 'instances_event', 'instance_steps'] LOOP
        body := pg_get_functiondef(name::regproc);
        body := replace(body, '''owner_id'', changed.',
            '''workspace_id'', changed.workspace_id, ''owner_id'', changed.');
        body := replace(body, '''owner_id'', NEW.', '''workspace_id'', NEW.workspace_id, ''owner_id'', NEW.');
        EXECUTE body;
    END LOOP;
END
$$;
"""
FORMER_EVENTS = """
DO $$
DECLARE
    name text;
    body text;
BEGIN
    FOREACH name IN ARRAY ARRAY['agents_event', 'templates_event', 'instances_event', 'instance_steps'] LOOP
        body := pg_get_functiondef(name::regproc);
        body := replace(body, '''workspace_id'', changed.workspace_id, ', '');
        body := replace(body, '''workspace_id'', NEW.workspace_id, ', '');
        EXECUTE body;
    END LOOP;
END
$$;
"""

TRIGGERS = """
-- A writer that names no workspace means the owner's personal one; a row never moves to another.
CREATE FUNCTION in_a_workspace() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.workspace_id IS DISTINCT FROM OLD.workspace_id THEN
        RAISE EXCEPTION 'a row stays in its workspace' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.workspace_id IS NULL THEN
        NEW.workspace_id := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
    END IF;
    RETURN NEW;
END
$$;
"""


def upgrade() -> None:
    """Apply."""
    run_script(TRIGGERS)
    for table, owner in OWNERS.items():
        op.add_column(table, sa.Column("workspace_id", sa.Uuid(), nullable=True))
        # Not a change that anybody waits for: no version rises, no event is written.
        run_script(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        run_script(f"UPDATE {table} SET workspace_id = {owner}")  # noqa: S608 - names from above
        run_script(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        op.alter_column(table, "workspace_id", nullable=False)
        run_script(
            f"CREATE TRIGGER {table}_in_a_workspace BEFORE INSERT OR UPDATE OF workspace_id ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION in_a_workspace('{owner}');"
        )
        op.create_index(f"ix_{table}_workspace_id_created_at_id", table, ["workspace_id", "created_at", "id"])
    op.create_index(
        "ix_instances_workspace_id_status_created_at_id", "instances", ["workspace_id", "status", "created_at", "id"]
    )
    op.create_index("ix_instances_workspace_id_changed_in_id", "instances", ["workspace_id", "changed_in", "id"])
    run_script(EVENTS)
    for table in SECURED:
        run_script(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;")


def downgrade() -> None:
    """Take back."""
    run_script(FORMER_EVENTS)
    for table in SECURED:
        run_script(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;")
    for table in OWNERS:
        run_script(f"DROP TRIGGER {table}_in_a_workspace ON {table};")
        op.drop_column(table, "workspace_id")
    run_script("DROP FUNCTION in_a_workspace();")
