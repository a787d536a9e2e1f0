"""Rules for what a run's attempt may write, and the lines, steps and events that follow, kept by triggers."""

from collections.abc import Sequence

from shared_schema.migrations.script import run_script

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The steps as before (0002), and beyond them: who may take over, which number the log has reached.
GUARD = """
-- True if a step is written to the run's log.
CREATE FUNCTION instance_step_is_told(old_status text, new_status text, old_attempt integer, new_attempt integer)
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN new_status = 'QUEUED' THEN old_status = 'RUNNING'
        ELSE new_status <> old_status OR (new_status = 'RUNNING' AND new_attempt <> old_attempt) END
$$;

CREATE OR REPLACE FUNCTION instances_before_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    probe instances;
BEGIN
    IF NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'the id of a row does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.status IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT') THEN
        IF (NEW.status, NEW.progress, NEW.progress_message, NEW.result, NEW.error_code, NEW.error_message,
                NEW.attempt, NEW.started_at, NEW.finished_at, NEW.log_sequence)
            IS DISTINCT FROM
            (OLD.status, OLD.progress, OLD.progress_message, OLD.result, OLD.error_code, OLD.error_message,
                OLD.attempt, OLD.started_at, OLD.finished_at, OLD.log_sequence)
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
    IF OLD.status = 'RUNNING' THEN
        -- A run that somebody holds is taken over by a new attempt, not otherwise.
        IF NEW.status = 'RUNNING' AND NEW.attempt = OLD.attempt AND OLD.lease_owner IS NOT NULL
            AND NEW.lease_owner IS DISTINCT FROM OLD.lease_owner
        THEN
            RAISE EXCEPTION 'attempt % of instance % belongs to %', OLD.attempt, OLD.id, OLD.lease_owner
                USING ERRCODE = 'check_violation', TABLE = 'instances', CONSTRAINT = 'instances_lease';
        END IF;
        -- Who ends or gives back a run does so for the attempt that ran.
        IF NEW.status <> 'RUNNING' AND NEW.attempt <> OLD.attempt THEN
            RAISE EXCEPTION 'attempt % of instance % cannot end as attempt %', OLD.attempt, OLD.id, NEW.attempt
                USING ERRCODE = 'check_violation', TABLE = 'instances', CONSTRAINT = 'instances_attempt';
        END IF;
    END IF;
    IF NEW.log_sequence < OLD.log_sequence THEN
        RAISE EXCEPTION 'the log of instance % does not go back from % to %', OLD.id, OLD.log_sequence, NEW.log_sequence
            USING ERRCODE = 'check_violation', TABLE = 'instances', CONSTRAINT = 'instances_log_sequence';
    END IF;
    IF NEW.status <> OLD.status THEN
        CASE NEW.status
            WHEN 'QUEUED' THEN NEW.queued_at := COALESCE(NEW.queued_at, clock_timestamp());
            WHEN 'RUNNING' THEN NEW.started_at := COALESCE(NEW.started_at, clock_timestamp());
            ELSE NEW.finished_at := COALESCE(NEW.finished_at, clock_timestamp());
        END CASE;
    END IF;
    IF instance_step_is_told(OLD.status, NEW.status, OLD.attempt, NEW.attempt) THEN
        NEW.log_sequence := NEW.log_sequence + 1;
    END IF;
    NEW.created_at := OLD.created_at;
    NEW.version := OLD.version;
    NEW.updated_at := OLD.updated_at;
    -- A renewed lease, a line of the log, or an update that changes nothing is no news: no new version, no event.
    probe := NEW;
    probe.lease_owner := OLD.lease_owner;
    probe.lease_expires_at := OLD.lease_expires_at;
    probe.celery_task_id := OLD.celery_task_id;
    probe.log_sequence := OLD.log_sequence;
    IF probe IS DISTINCT FROM OLD THEN
        NEW.version := OLD.version + 1;
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
"""

# The event's type has a word more than those of changes, so that who follows `instance.*` doesn't hear every line.
# Fires before `instances_event` (triggers run in the order of their names), so that the last event of a run is
# that of its ending.
STEPS = """
CREATE FUNCTION instance_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO instance_history (instance_id, version, status, attempt, lease_owner)
        VALUES (NEW.id, NEW.version, NEW.status, NEW.attempt, NEW.lease_owner);
        RETURN NULL;
    END IF;
    IF (NEW.status, NEW.attempt) IS DISTINCT FROM (OLD.status, OLD.attempt) THEN
        INSERT INTO instance_history (instance_id, version, status, attempt, lease_owner)
        VALUES (NEW.id, NEW.version, NEW.status, NEW.attempt, COALESCE(NEW.lease_owner, OLD.lease_owner));
    END IF;
    IF instance_step_is_told(OLD.status, NEW.status, OLD.attempt, NEW.attempt) THEN
        INSERT INTO instance_logs (instance_id, sequence, attempt, level, message)
        SELECT NEW.id, NEW.log_sequence, NEW.attempt, step.level, left(step.message, 2000)
        FROM (SELECT
            CASE NEW.status
                WHEN 'RUNNING' THEN 'INFO' WHEN 'SUCCEEDED' THEN 'INFO'
                WHEN 'QUEUED' THEN 'WARNING' WHEN 'CANCELLED' THEN 'WARNING' ELSE 'ERROR' END AS level,
            CASE NEW.status
                WHEN 'RUNNING' THEN 'Attempt ' || NEW.attempt || ' began.'
                WHEN 'QUEUED' THEN COALESCE(NEW.progress_message,
                    'Attempt ' || OLD.attempt || ' ended without a result.')
                WHEN 'SUCCEEDED' THEN 'Succeeded.'
                WHEN 'CANCELLED' THEN COALESCE(NEW.error_message, 'Cancelled.')
                WHEN 'TIMED_OUT' THEN 'Timed out: ' || COALESCE(NEW.error_message, NEW.error_code, 'it took too long.')
                ELSE 'Failed: ' || COALESCE(NEW.error_message, 'no reason is known.')
                    || COALESCE(' (' || NEW.error_code || ')', '') END AS message) AS step;
    END IF;
    IF NEW.log_sequence > OLD.log_sequence THEN
        INSERT INTO outbox (aggregate_type, aggregate_id, version, event_type, data)
        VALUES ('instance', NEW.id, NEW.version, 'instance.log.appended', jsonb_build_object(
            'id', NEW.id, 'version', NEW.version, 'owner_id', NEW.owner_id,
            'status', NEW.status, 'agent_id', NEW.agent_id,
            'terminal', NEW.status IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT'),
            'log_from', OLD.log_sequence + 1, 'log_to', NEW.log_sequence));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER instance_steps AFTER INSERT OR UPDATE ON instances
    FOR EACH ROW EXECUTE FUNCTION instance_steps();

CREATE FUNCTION instance_history_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a step that was taken does not change'
        USING ERRCODE = 'check_violation', TABLE = 'instance_history', CONSTRAINT = 'instance_history_keep';
END
$$;
CREATE TRIGGER instance_history_keep BEFORE UPDATE ON instance_history
    FOR EACH ROW EXECUTE FUNCTION instance_history_keep();
"""

# The holder's own rows: a line or a file of another attempt than the present one is refused, from any worker.
ATTEMPTS = """
CREATE FUNCTION instance_logs_fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'a line of a log does not change'
            USING ERRCODE = 'check_violation', TABLE = 'instance_logs', CONSTRAINT = 'instance_logs_keep';
    END IF;
    PERFORM FROM instances
        WHERE id = NEW.instance_id AND attempt = NEW.attempt AND log_sequence >= NEW.sequence;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'line % of attempt % is none of instance %', NEW.sequence, NEW.attempt, NEW.instance_id
            USING ERRCODE = 'check_violation', TABLE = 'instance_logs', CONSTRAINT = 'instance_logs_fence';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER instance_logs_fence BEFORE INSERT OR UPDATE ON instance_logs
    FOR EACH ROW EXECUTE FUNCTION instance_logs_fence();

CREATE FUNCTION instance_artifacts_fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.promoted_at IS NOT NULL THEN
        RAISE EXCEPTION 'file % was promoted and does not change', OLD.id
            USING ERRCODE = 'check_violation', TABLE = 'instance_artifacts', CONSTRAINT = 'instance_artifacts_keep';
    END IF;
    PERFORM FROM instances
        WHERE id = NEW.instance_id AND attempt = NEW.attempt
          AND status = CASE WHEN NEW.promoted_at IS NULL THEN 'RUNNING' ELSE 'SUCCEEDED' END;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'file % of attempt % is none of instance %', NEW.name, NEW.attempt, NEW.instance_id
            USING ERRCODE = 'check_violation', TABLE = 'instance_artifacts', CONSTRAINT = 'instance_artifacts_fence';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER instance_artifacts_fence BEFORE INSERT OR UPDATE ON instance_artifacts
    FOR EACH ROW EXECUTE FUNCTION instance_artifacts_fence();
"""

SCHEDULES = """
CREATE FUNCTION schedules_before_update() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER schedules_before_update BEFORE UPDATE ON schedules
    FOR EACH ROW EXECUTE FUNCTION schedules_before_update();
"""

# `instances_before_update` of revision 0002.
DOWN = """
DROP TRIGGER schedules_before_update ON schedules;
DROP FUNCTION schedules_before_update();
DROP TRIGGER instance_artifacts_fence ON instance_artifacts;
DROP FUNCTION instance_artifacts_fence();
DROP TRIGGER instance_logs_fence ON instance_logs;
DROP FUNCTION instance_logs_fence();
DROP TRIGGER instance_history_keep ON instance_history;
DROP FUNCTION instance_history_keep();
DROP TRIGGER instance_steps ON instances;
DROP FUNCTION instance_steps();
DROP TRIGGER instances_before_update ON instances;
DROP FUNCTION instances_before_update();
DROP FUNCTION instance_step_is_told(text, text, integer, integer);
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
"""


def upgrade() -> None:
    """Apply."""
    for statements in (GUARD, STEPS, ATTEMPTS, SCHEDULES):
        run_script(statements)


def downgrade() -> None:
    """Take back."""
    run_script(DOWN)
