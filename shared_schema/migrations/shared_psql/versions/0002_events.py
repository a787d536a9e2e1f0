"""Versions, legal transitions and events of `shared_psql`, kept by triggers."""

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
CATALOG = """
CREATE FUNCTION catalog_before_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'the id of a row does not change' USING ERRCODE = 'check_violation';
    END IF;
    NEW.created_at := OLD.created_at;
    NEW.version := OLD.version;
    NEW.updated_at := OLD.updated_at;
    -- `search` is generated after this trigger from columns that are compared anyway.
    NEW.search := OLD.search;
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.version := OLD.version + 1;
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER agents_before_update BEFORE UPDATE ON agents
    FOR EACH ROW EXECUTE FUNCTION catalog_before_update();
CREATE TRIGGER templates_before_update BEFORE UPDATE ON templates
    FOR EACH ROW EXECUTE FUNCTION catalog_before_update();

CREATE FUNCTION agents_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed agents;
BEGIN
    IF TG_OP = 'DELETE' THEN
        changed := OLD;
        changed.version := OLD.version + 1;
    ELSIF TG_OP = 'UPDATE' AND NEW.version = OLD.version THEN
        RETURN NULL;
    ELSE
        changed := NEW;
    END IF;
    INSERT INTO outbox (aggregate_type, aggregate_id, version, event_type, data)
    VALUES ('agent', changed.id, changed.version,
        'agent.' || CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'updated' ELSE 'deleted' END,
        jsonb_build_object('id', changed.id, 'version', changed.version, 'owner_id', changed.publisher_id,
            'status', changed.status, 'agent_id', changed.id, 'terminal', TG_OP = 'DELETE'));
    RETURN NULL;
END
$$;
CREATE TRIGGER agents_event AFTER INSERT OR UPDATE OR DELETE ON agents
    FOR EACH ROW EXECUTE FUNCTION agents_event();

CREATE FUNCTION templates_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed templates;
BEGIN
    IF TG_OP = 'DELETE' THEN
        changed := OLD;
        changed.version := OLD.version + 1;
    ELSIF TG_OP = 'UPDATE' AND NEW.version = OLD.version THEN
        RETURN NULL;
    ELSE
        changed := NEW;
    END IF;
    INSERT INTO outbox (aggregate_type, aggregate_id, version, event_type, data)
    VALUES ('template', changed.id, changed.version,
        'template.' || CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'updated' ELSE 'deleted' END,
        jsonb_build_object('id', changed.id, 'version', changed.version, 'owner_id', changed.publisher_id,
            'status', changed.status, 'agent_id', changed.agent_id, 'terminal', TG_OP = 'DELETE'));
    RETURN NULL;
END
$$;
CREATE TRIGGER templates_event AFTER INSERT OR UPDATE OR DELETE ON templates
    FOR EACH ROW EXECUTE FUNCTION templates_event();
"""

# Defence in depth: services and workers ask for the same steps in their WHERE clauses. The constraint
# names let them tell one refusal from another.
INSTANCES = """
CREATE FUNCTION instances_before_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    probe instances;
BEGIN
    IF NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'the id of a row does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.status IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT') THEN
        IF (NEW.status, NEW.progress, NEW.progress_message, NEW.result, NEW.error_code, NEW.error_message,
                NEW.attempt, NEW.started_at, NEW.finished_at)
            IS DISTINCT FROM
            (OLD.status, OLD.progress, OLD.progress_message, OLD.result, OLD.error_code, OLD.error_message,
                OLD.attempt, OLD.started_at, OLD.finished_at)
        THEN
            RAISE EXCEPTION 'instance % is %: its outcome does not change', OLD.id, OLD.status
                USING ERRCODE = 'check_violation', TABLE = 'instances', CONSTRAINT = 'instances_terminal';
        END IF;
    ELSIF NEW.status <> OLD.status AND NOT (CASE OLD.status
        WHEN 'PENDING' THEN NEW.status IN ('QUEUED', 'RUNNING', 'FAILED', 'CANCELLED', 'TIMED_OUT')
        WHEN 'QUEUED' THEN NEW.status IN ('RUNNING', 'FAILED', 'CANCELLED', 'TIMED_OUT')
        WHEN 'RUNNING' THEN NEW.status IN ('QUEUED', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT')
        ELSE false END)
    THEN
        RAISE EXCEPTION 'instance % does not go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', TABLE = 'instances', CONSTRAINT = 'instances_transition';
    END IF;
    -- The attempt is the fencing token: a worker with an older one is not the holder any more.
    IF NEW.attempt < OLD.attempt THEN
        RAISE EXCEPTION 'the attempt of instance % does not go back from % to %', OLD.id, OLD.attempt, NEW.attempt
            USING ERRCODE = 'check_violation', TABLE = 'instances', CONSTRAINT = 'instances_attempt';
    END IF;
    IF NEW.status <> OLD.status THEN
        CASE NEW.status
            WHEN 'QUEUED' THEN NEW.queued_at := COALESCE(NEW.queued_at, clock_timestamp());
            WHEN 'RUNNING' THEN NEW.started_at := COALESCE(NEW.started_at, clock_timestamp());
            ELSE NEW.finished_at := COALESCE(NEW.finished_at, clock_timestamp());
        END CASE;
    END IF;
    NEW.created_at := OLD.created_at;
    NEW.version := OLD.version;
    NEW.updated_at := OLD.updated_at;
    -- A renewed lease, or an update that changes nothing, is no news: no new version, no event.
    probe := NEW;
    probe.lease_owner := OLD.lease_owner;
    probe.lease_expires_at := OLD.lease_expires_at;
    probe.celery_task_id := OLD.celery_task_id;
    IF probe IS DISTINCT FROM OLD THEN
        NEW.version := OLD.version + 1;
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER instances_before_update BEFORE UPDATE ON instances
    FOR EACH ROW EXECUTE FUNCTION instances_before_update();

CREATE FUNCTION instances_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed instances;
    kind text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        changed := NEW;
        kind := 'instance.created';
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.deleted_at IS NOT NULL THEN
            RETURN NULL;
        END IF;
        changed := OLD;
        changed.version := OLD.version + 1;
        kind := 'instance.deleted';
    ELSE
        IF NEW.version = OLD.version THEN
            RETURN NULL;
        END IF;
        changed := NEW;
        kind := CASE WHEN NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL
            THEN 'instance.deleted' ELSE 'instance.updated' END;
    END IF;
    INSERT INTO outbox (aggregate_type, aggregate_id, version, event_type, data)
    VALUES ('instance', changed.id, changed.version, kind, jsonb_build_object(
        'id', changed.id, 'version', changed.version, 'owner_id', changed.owner_id,
        'status', changed.status, 'agent_id', changed.agent_id,
        'terminal', changed.status IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT')));
    RETURN NULL;
END
$$;
CREATE TRIGGER instances_event AFTER INSERT OR UPDATE OR DELETE ON instances
    FOR EACH ROW EXECUTE FUNCTION instances_event();
"""

DOWN = """
DROP TRIGGER instances_event ON instances;
DROP FUNCTION instances_event();
DROP TRIGGER instances_before_update ON instances;
DROP FUNCTION instances_before_update();
DROP TRIGGER templates_event ON templates;
DROP FUNCTION templates_event();
DROP TRIGGER agents_event ON agents;
DROP FUNCTION agents_event();
DROP TRIGGER templates_before_update ON templates;
DROP TRIGGER agents_before_update ON agents;
DROP FUNCTION catalog_before_update();
DROP TRIGGER outbox_ring ON outbox;
DROP FUNCTION outbox_ring();
"""


def upgrade() -> None:
    """Apply."""
    for statements in (RING, CATALOG, INSTANCES):
        run_script(statements)


def downgrade() -> None:
    """Take back."""
    run_script(DOWN)
