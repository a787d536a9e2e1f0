"""Versions, events and the append-only audit log of `user_psql`, kept by triggers."""

from collections.abc import Sequence

from shared_schema.migrations.script import run_script

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# NOTIFY is a wake-up without payload: the listener reads the outbox, and equal ones of a transaction fold.
RING = """
CREATE FUNCTION outbox_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER outbox_ring AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION outbox_ring();
"""

# An update that changes nothing is no news: no new version, no event.
ACCOUNTS = """
CREATE FUNCTION accounts_before_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'the id of a row does not change' USING ERRCODE = 'check_violation';
    END IF;
    NEW.created_at := OLD.created_at;
    NEW.version := OLD.version;
    NEW.updated_at := OLD.updated_at;
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.version := OLD.version + 1;
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER accounts_before_update BEFORE UPDATE ON accounts
    FOR EACH ROW EXECUTE FUNCTION accounts_before_update();

CREATE FUNCTION accounts_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed accounts;
    kind text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        changed := NEW;
        kind := 'account.created';
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.deleted_at IS NOT NULL THEN
            RETURN NULL;
        END IF;
        changed := OLD;
        changed.version := OLD.version + 1;
        changed.deleted_at := now();
        kind := 'account.deleted';
    ELSE
        IF NEW.version = OLD.version THEN
            RETURN NULL;
        END IF;
        changed := NEW;
        kind := CASE WHEN NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL
            THEN 'account.deleted' ELSE 'account.updated' END;
    END IF;
    INSERT INTO outbox (aggregate_type, aggregate_id, version, event_type, data)
    VALUES ('account', changed.id, changed.version, kind, jsonb_build_object(
        'id', changed.id, 'version', changed.version, 'owner_id', changed.id, 'agent_id', NULL,
        'status', CASE WHEN changed.deleted_at IS NOT NULL THEN 'DELETED'
            WHEN changed.disabled_at IS NOT NULL THEN 'DISABLED' ELSE 'ACTIVE' END,
        'terminal', changed.deleted_at IS NOT NULL));
    RETURN NULL;
END
$$;
CREATE TRIGGER accounts_event AFTER INSERT OR UPDATE OR DELETE ON accounts
    FOR EACH ROW EXECUTE FUNCTION accounts_event();
"""

# Caches of a credential hear that it ended. A row that merely expired ends by its own clock.
CREDENTIALS = """
CREATE FUNCTION credential_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER sessions_revoked AFTER UPDATE OF revoked_at OR DELETE ON sessions
    FOR EACH ROW EXECUTE FUNCTION credential_revoked('session');
CREATE TRIGGER api_keys_revoked AFTER UPDATE OF revoked_at OR DELETE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION credential_revoked('api_key');
"""

AUDIT = """
CREATE FUNCTION audit_log_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_append_only();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_append_only();
"""

DOWN = """
DROP TRIGGER audit_log_no_truncate ON audit_log;
DROP TRIGGER audit_log_append_only ON audit_log;
DROP FUNCTION audit_log_append_only();
DROP TRIGGER api_keys_revoked ON api_keys;
DROP TRIGGER sessions_revoked ON sessions;
DROP FUNCTION credential_revoked();
DROP TRIGGER accounts_event ON accounts;
DROP FUNCTION accounts_event();
DROP TRIGGER accounts_before_update ON accounts;
DROP FUNCTION accounts_before_update();
DROP TRIGGER outbox_ring ON outbox;
DROP FUNCTION outbox_ring();
"""


def upgrade() -> None:
    """Apply."""
    for statements in (RING, ACCOUNTS, CREDENTIALS, AUDIT):
        run_script(statements)


def downgrade() -> None:
    """Take back."""
    run_script(DOWN)
