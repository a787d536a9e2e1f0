"""How often an agent was run on each day, and how its runs ended."""

from collections.abc import Sequence

from shared_schema.migrations.script import run_script

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    run_script("""
        CREATE TABLE agent_days (
            agent_id uuid NOT NULL,
            day date NOT NULL,
            runs integer NOT NULL,
            succeeded integer NOT NULL,
            failed integer NOT NULL,
            CONSTRAINT pk_agent_days PRIMARY KEY (agent_id, day),
            CONSTRAINT fk_agent_days_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents (id) ON DELETE CASCADE,
            CONSTRAINT ck_agent_days_counts CHECK (succeeded >= 0 AND failed >= 0 AND succeeded + failed <= runs)
        );
        CREATE INDEX ix_agent_days_day ON agent_days (day);
    """)


def downgrade() -> None:
    """Take back. The counts are lost; those of days whose instances are still there can be made again."""
    run_script("DROP TABLE agent_days;")
