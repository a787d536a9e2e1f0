"""Mails with their links, exports, second factors, sign-in elsewhere; accounts that are closed; the role curator."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared_schema.migrations.script import run_script

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


# Wakes the worker of identity: it reads what waits.
RING = """
CREATE FUNCTION identity_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('identity_work', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER mails_ring AFTER INSERT ON mails FOR EACH STATEMENT EXECUTE FUNCTION identity_ring();
CREATE TRIGGER data_exports_ring AFTER INSERT ON data_exports FOR EACH STATEMENT EXECUTE FUNCTION identity_ring();
"""

# A session of before has proved what its sign-in did, and no more.
VALUES = """
UPDATE sessions SET proved_at = created_at;
ALTER TABLE accounts DROP CONSTRAINT ck_accounts_role;
ALTER TABLE accounts ADD CONSTRAINT ck_accounts_role CHECK (role IN ('user', 'curator', 'admin'));
"""

DOWN = """
UPDATE accounts SET role = 'user' WHERE role = 'curator';
ALTER TABLE accounts DROP CONSTRAINT ck_accounts_role;
ALTER TABLE accounts ADD CONSTRAINT ck_accounts_role CHECK (role IN ('user', 'admin'));
DROP TRIGGER data_exports_ring ON data_exports;
DROP TRIGGER mails_ring ON mails;
DROP FUNCTION identity_ring();
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "challenges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column(
            "data",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_challenges_expires_at")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_challenges_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenges")),
    )
    op.create_index("ix_challenges_account_id", "challenges", ["account_id"], unique=False)
    op.create_index("ix_challenges_expires_at", "challenges", ["expires_at"], unique=False)
    op.create_table(
        "data_exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("storage_key", sa.String(length=200), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(finished_at IS NULL) = (storage_key IS NULL)", name=op.f("ck_data_exports_finished_at")),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_data_exports_size_bytes")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_data_exports_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_exports")),
    )
    op.create_index(
        "ix_data_exports_account_id_created_at_id", "data_exports", ["account_id", "created_at", "id"], unique=False
    )
    op.create_index("ix_data_exports_expires_at", "data_exports", ["expires_at"], unique=False)
    op.create_index(
        "ix_data_exports_waiting",
        "data_exports",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "external_identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(length=400), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_external_identities_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_identities")),
    )
    op.create_index("ix_external_identities_account_id", "external_identities", ["account_id"], unique=False)
    op.create_index("uq_external_identities_issuer_subject", "external_identities", ["issuer", "subject"], unique=True)
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("language", sa.String(length=16), server_default="en", nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column(
            "data",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_error", sa.String(length=1000), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("starts_with(password_hash, '$argon2id$')", name=op.f("ck_mails_password_hash")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_mails_attempts")),
        sa.CheckConstraint("sent_at IS NULL OR dropped_at IS NULL", name=op.f("ck_mails_sent_at")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_mails_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index("ix_mails_account_id", "mails", ["account_id"], unique=False)
    op.create_index("ix_mails_created_at", "mails", ["created_at"], unique=False)
    op.create_index("ix_mails_recipient", "mails", ["recipient"], unique=False)
    op.create_index(
        "ix_mails_waiting",
        "mails",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NULL AND dropped_at IS NULL"),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("transports", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_backed_up", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_passkeys_name")),
        sa.CheckConstraint("octet_length(credential_id) BETWEEN 1 AND 1023", name=op.f("ck_passkeys_credential_id")),
        sa.CheckConstraint("octet_length(public_key) <= 4096", name=op.f("ck_passkeys_public_key")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_passkeys_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
    )
    op.create_index(
        "ix_passkeys_account_id_created_at_id", "passkeys", ["account_id", "created_at", "id"], unique=False
    )
    op.create_index("uq_passkeys_credential_id", "passkeys", ["credential_id"], unique=True)
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(code_hash) = 32", name=op.f("ck_recovery_codes_code_hash")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_recovery_codes_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
    )
    op.create_index(
        "uq_recovery_codes_account_id_code_hash", "recovery_codes", ["account_id", "code_hash"], unique=True
    )
    op.create_table(
        "totp_factors",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(secret) <= 512", name=op.f("ck_totp_factors_secret")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_totp_factors_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_totp_factors")),
    )
    op.add_column("accounts", sa.Column("language", sa.String(length=16), server_default="en", nullable=False))
    op.add_column("accounts", sa.Column("disabled_reason", sa.String(length=500), nullable=True))
    op.add_column("accounts", sa.Column("closes_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_accounts_closes_at",
        "accounts",
        ["closes_at"],
        unique=False,
        postgresql_where=sa.text("closes_at IS NOT NULL"),
    )
    op.add_column(
        "sessions", sa.Column("proved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    run_script(RING)
    run_script(VALUES)


def downgrade() -> None:
    """Take back."""
    run_script(DOWN)
    op.drop_column("sessions", "proved_at")
    op.drop_index("ix_accounts_closes_at", table_name="accounts", postgresql_where=sa.text("closes_at IS NOT NULL"))
    op.drop_column("accounts", "closes_at")
    op.drop_column("accounts", "disabled_reason")
    op.drop_column("accounts", "language")
    op.drop_table("totp_factors")
    op.drop_index("uq_recovery_codes_account_id_code_hash", table_name="recovery_codes")
    op.drop_table("recovery_codes")
    op.drop_index("uq_passkeys_credential_id", table_name="passkeys")
    op.drop_index("ix_passkeys_account_id_created_at_id", table_name="passkeys")
    op.drop_table("passkeys")
    op.drop_index(
        "ix_mails_waiting", table_name="mails", postgresql_where=sa.text("sent_at IS NULL AND dropped_at IS NULL")
    )
    op.drop_index("ix_mails_recipient", table_name="mails")
    op.drop_index("ix_mails_created_at", table_name="mails")
    op.drop_index("ix_mails_account_id", table_name="mails")
    op.drop_table("mails")
    op.drop_index("uq_external_identities_issuer_subject", table_name="external_identities")
    op.drop_index("ix_external_identities_account_id", table_name="external_identities")
    op.drop_table("external_identities")
    op.drop_index("ix_data_exports_waiting", table_name="data_exports", postgresql_where=sa.text("finished_at IS NULL"))
    op.drop_index("ix_data_exports_expires_at", table_name="data_exports")
    op.drop_index("ix_data_exports_account_id_created_at_id", table_name="data_exports")
    op.drop_table("data_exports")
    op.drop_index("ix_challenges_expires_at", table_name="challenges")
    op.drop_index("ix_challenges_account_id", table_name="challenges")
    op.drop_table("challenges")
