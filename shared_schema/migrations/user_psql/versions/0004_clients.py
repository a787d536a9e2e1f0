"""Known devices, the device in the audit log, tries that fade; the audit log's triggers always fire."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared_schema.migrations.script import run_script

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# What was counted until now is counted under other keys from now on. NOT NULL is set again: since Postgres 18 it is a
# constraint whose name keeps the column's old name.
THROTTLES = """
DELETE FROM sign_in_throttles;
ALTER TABLE sign_in_throttles DROP CONSTRAINT ck_sign_in_throttles_failures;
ALTER TABLE sign_in_throttles ALTER COLUMN failures DROP NOT NULL;
ALTER TABLE sign_in_throttles RENAME COLUMN failures TO level;
ALTER TABLE sign_in_throttles ALTER COLUMN level DROP DEFAULT;
ALTER TABLE sign_in_throttles ALTER COLUMN level TYPE double precision;
ALTER TABLE sign_in_throttles ALTER COLUMN level SET DEFAULT 0;
ALTER TABLE sign_in_throttles ALTER COLUMN level SET NOT NULL;
ALTER TABLE sign_in_throttles ADD CONSTRAINT ck_sign_in_throttles_level CHECK (level >= 0);
"""

# ALWAYS: a session with `session_replication_role = replica` fires no ordinary trigger.
AUDIT = """
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM PUBLIC;
"""

DOWN = """
ALTER TABLE audit_log ENABLE TRIGGER audit_log_no_truncate;
ALTER TABLE audit_log ENABLE TRIGGER audit_log_append_only;
DELETE FROM sign_in_throttles;
ALTER TABLE sign_in_throttles DROP CONSTRAINT ck_sign_in_throttles_level;
ALTER TABLE sign_in_throttles ALTER COLUMN level DROP NOT NULL;
ALTER TABLE sign_in_throttles RENAME COLUMN level TO failures;
ALTER TABLE sign_in_throttles ALTER COLUMN failures DROP DEFAULT;
ALTER TABLE sign_in_throttles ALTER COLUMN failures TYPE smallint;
ALTER TABLE sign_in_throttles ALTER COLUMN failures SET DEFAULT 0;
ALTER TABLE sign_in_throttles ALTER COLUMN failures SET NOT NULL;
ALTER TABLE sign_in_throttles ADD CONSTRAINT ck_sign_in_throttles_failures CHECK (failures >= 0);
"""


def upgrade() -> None:
    """Apply."""
    run_script(THROTTLES)
    op.add_column("sign_in_throttles", sa.Column("reported_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("audit_log", sa.Column("user_agent", sa.String(length=400), nullable=True))
    run_script(AUDIT)
    op.create_table(
        "known_devices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_agent", sa.String(length=400), nullable=True),
        sa.Column("ip_address", postgresql.INET(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(token_hash) = 32", name=op.f("ck_known_devices_token_hash")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_known_devices_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_devices")),
    )
    op.create_index(
        "uq_known_devices_token_hash_account_id", "known_devices", ["token_hash", "account_id"], unique=True
    )
    op.create_index(
        "ix_known_devices_account_id_last_used_at", "known_devices", ["account_id", "last_used_at"], unique=False
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("known_devices")
    run_script(DOWN)
    op.drop_column("sign_in_throttles", "reported_until")
    op.drop_column("audit_log", "user_agent")
