"""The audit log's rows are numbered, and each has the hash of the one before; a row's source and credential."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from shared_schema.migrations.script import run_script

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# `shared_schema.audit.digest` computes the same in Python, for `botberi audit verify`.
CHAIN = """
CREATE FUNCTION audit_log_digest(entry audit_log) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(entry.previous_hash || convert_to(jsonb_build_array(
        entry.seq::text, entry.id::text, (extract(epoch FROM entry.occurred_at) * 1000000)::bigint::text,
        entry.source, entry.actor_id::text, entry.credential, entry.session_id::text, entry.action,
        entry.object_type, entry.object_id::text, entry.outcome, host(entry.ip_address), entry.user_agent,
        entry.detail::text)::text, 'UTF8'))
$$;

-- One transaction at a time appends: from the insert, which units of work do last, until it has committed.
CREATE FUNCTION audit_log_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    last record;
BEGIN
    PERFORM pg_advisory_xact_lock(7242951703);
    SELECT seq, hash INTO last FROM audit_log ORDER BY seq DESC LIMIT 1;
    NEW.seq := coalesce(last.seq, 0) + 1;
    NEW.previous_hash := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
    NEW.hash := audit_log_digest(NEW);
    RETURN NEW;
END
$$;
"""

# Rows of before get their numbers and hashes in the order in which they were written.
EXISTING = """
ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only;
DO $$
DECLARE
    entry audit_log;
    place bigint := 0;
    last bytea := decode(repeat('00', 32), 'hex');
BEGIN
    FOR entry IN SELECT * FROM audit_log ORDER BY occurred_at, id LOOP
        place := place + 1;
        entry.seq := place;
        entry.previous_hash := last;
        last := audit_log_digest(entry);
        UPDATE audit_log SET seq = place, previous_hash = entry.previous_hash, hash = last WHERE id = entry.id;
    END LOOP;
END
$$;
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
CREATE TRIGGER audit_log_chain BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_chain();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_chain;
"""

DOWN = """
DROP TRIGGER audit_log_chain ON audit_log;
DROP FUNCTION audit_log_chain();
DROP FUNCTION audit_log_digest(audit_log);
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("audit_log", sa.Column("seq", sa.BigInteger(), nullable=True))
    op.add_column(
        "audit_log", sa.Column("source", sa.String(length=32), server_default=sa.text("'identity'"), nullable=False)
    )
    op.add_column("audit_log", sa.Column("credential", sa.String(length=16), nullable=True))
    op.add_column("audit_log", sa.Column("previous_hash", sa.LargeBinary(length=32), nullable=True))
    op.add_column("audit_log", sa.Column("hash", sa.LargeBinary(length=32), nullable=True))
    op.create_check_constraint(op.f("ck_audit_log_credential"), "audit_log", "credential IN ('SESSION', 'API_KEY')")
    run_script(CHAIN)
    run_script(EXISTING)
    for name in ("seq", "previous_hash", "hash"):
        op.alter_column("audit_log", name, nullable=False)
    op.create_index("uq_audit_log_seq", "audit_log", ["seq"], unique=True)
    op.create_index("ix_audit_log_object_id_occurred_at_id", "audit_log", ["object_id", "occurred_at", "id"])


def downgrade() -> None:
    """Take back."""
    run_script(DOWN)
    op.drop_index("ix_audit_log_object_id_occurred_at_id", table_name="audit_log")
    for name in ("hash", "previous_hash", "credential", "source", "seq"):
        op.drop_column("audit_log", name)
