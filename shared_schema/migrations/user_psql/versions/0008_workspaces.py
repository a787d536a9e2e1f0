"""Workspaces with their members and service accounts; each account has a personal workspace, made by trigger."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from shared_schema.migrations.script import run_script

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# A personal workspace has the id of its account: rows of `shared_psql` find theirs without a look at this database.
PERSONAL = """
INSERT INTO workspaces (id, name, personal_of) SELECT id, 'Personal', id FROM accounts;
INSERT INTO workspace_members (workspace_id, account_id, role) SELECT id, id, 'owner' FROM accounts;

CREATE FUNCTION accounts_personal_workspace() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO workspaces (id, name, personal_of) VALUES (NEW.id, 'Personal', NEW.id);
    INSERT INTO workspace_members (workspace_id, account_id, role) VALUES (NEW.id, NEW.id, 'owner');
    RETURN NULL;
END
$$;
CREATE TRIGGER accounts_personal_workspace AFTER INSERT ON accounts
    FOR EACH ROW EXECUTE FUNCTION accounts_personal_workspace();

-- The owner of a key is an account, or a service account: the event of its end names which.
CREATE OR REPLACE FUNCTION credential_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text := TG_ARGV[0];
    owner uuid := OLD.account_id;
BEGIN
    IF OLD.revoked_at IS NOT NULL OR OLD.expires_at <= now() THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.revoked_at IS NULL THEN
        RETURN NULL;
    END IF;
    IF kind = 'api_key' AND owner IS NULL THEN
        owner := OLD.service_account_id;
    END IF;
    INSERT INTO outbox (aggregate_type, aggregate_id, version, event_type, data)
    VALUES (kind, OLD.id, 1, kind || '.revoked', jsonb_build_object(
        'id', OLD.id, 'version', 1, 'owner_id', owner, 'agent_id', NULL,
        'status', 'REVOKED', 'terminal', true));
    RETURN NULL;
END
$$;
"""

DOWN = """
CREATE OR REPLACE FUNCTION credential_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text := TG_ARGV[0];
BEGIN
    IF OLD.revoked_at IS NOT NULL OR OLD.expires_at <= now() THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.revoked_at IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO outbox (aggregate_type, aggregate_id, version, event_type, data)
    VALUES (kind, OLD.id, 1, kind || '.revoked', jsonb_build_object(
        'id', OLD.id, 'version', 1, 'owner_id', OLD.account_id, 'agent_id', NULL,
        'status', 'REVOKED', 'terminal', true));
    RETURN NULL;
END
$$;
DROP TRIGGER accounts_personal_workspace ON accounts;
DROP FUNCTION accounts_personal_workspace();
DELETE FROM api_keys WHERE account_id IS NULL;
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("personal_of", sa.Uuid(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_workspaces_name")),
        sa.CheckConstraint("personal_of = id", name=op.f("ck_workspaces_personal_of")),
        sa.ForeignKeyConstraint(
            ["personal_of"], ["accounts.id"], name=op.f("fk_workspaces_personal_of_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
    )
    op.create_table(
        "workspace_members",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("role IN ('owner', 'member', 'viewer')", name=op.f("ck_workspace_members_role")),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_workspace_members_workspace_id_workspaces"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_workspace_members_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", name=op.f("pk_workspace_members")),
    )
    op.create_index("ix_workspace_members_account_id", "workspace_members", ["account_id"])
    op.create_table(
        "service_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_service_accounts_name")),
        sa.CheckConstraint("role IN ('member', 'viewer')", name=op.f("ck_service_accounts_role")),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_service_accounts_workspace_id_workspaces"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_accounts")),
    )
    op.create_index(
        "ix_service_accounts_workspace_id_created_at_id", "service_accounts", ["workspace_id", "created_at", "id"]
    )
    op.alter_column("api_keys", "account_id", nullable=True)
    op.add_column("api_keys", sa.Column("service_account_id", sa.Uuid(), nullable=True))
    op.add_column("api_keys", sa.Column("workspace_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_api_keys_service_account_id_service_accounts"),
        "api_keys",
        "service_accounts",
        ["service_account_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_foreign_key(
        op.f("fk_api_keys_workspace_id_workspaces"),
        "api_keys",
        "workspaces",
        ["workspace_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_check_constraint(
        op.f("ck_api_keys_holder"), "api_keys", "(account_id IS NULL) <> (service_account_id IS NULL)"
    )
    op.create_check_constraint(
        op.f("ck_api_keys_workspace"), "api_keys", "account_id IS NOT NULL OR workspace_id IS NOT NULL"
    )
    op.create_index("ix_api_keys_workspace_id_created_at_id", "api_keys", ["workspace_id", "created_at", "id"])
    run_script(PERSONAL)


def downgrade() -> None:
    """Take back."""
    run_script(DOWN)
    op.drop_index("ix_api_keys_workspace_id_created_at_id", table_name="api_keys")
    op.drop_column("api_keys", "workspace_id")
    op.drop_column("api_keys", "service_account_id")
    op.alter_column("api_keys", "account_id", nullable=False)
    op.drop_table("service_accounts")
    op.drop_table("workspace_members")
    op.drop_table("workspaces")
