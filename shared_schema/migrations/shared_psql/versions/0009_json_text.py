"""JSON that people wrote, and results, as text: names keep their order, and numbers are not written out."""

from collections.abc import Sequence

from shared_schema.migrations.script import run_script

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The first character says that it is an object. Whether the rest is JSON is the code's business: a constraint is looked
# at with every renewal of a lease, and parsing a megabyte each time is no renewal any more.
OBJECTS = (
    ("agents", "parameters_schema"),
    ("templates", "parameters"),
    ("instances", "parameters"),
    ("schedules", "parameters"),
)


def upgrade() -> None:
    """Apply. Rewrites the tables: minutes where there are millions of instances."""
    for table, column in OBJECTS:
        run_script(f"""
            ALTER TABLE {table}
                DROP CONSTRAINT ck_{table}_{column},
                ALTER COLUMN {column} DROP DEFAULT,
                ALTER COLUMN {column} TYPE text USING {column}::text,
                ALTER COLUMN {column} SET DEFAULT '{{}}',
                ADD CONSTRAINT ck_{table}_{column} CHECK (left({column}, 1) = '{{');
        """)
    run_script("ALTER TABLE instances ALTER COLUMN result TYPE text USING result::text;")


def downgrade() -> None:
    """Take back."""
    run_script("ALTER TABLE instances ALTER COLUMN result TYPE jsonb USING result::jsonb;")
    for table, column in OBJECTS:
        run_script(f"""
            ALTER TABLE {table}
                DROP CONSTRAINT ck_{table}_{column},
                ALTER COLUMN {column} DROP DEFAULT,
                ALTER COLUMN {column} TYPE jsonb USING {column}::jsonb,
                ALTER COLUMN {column} SET DEFAULT '{{}}'::jsonb,
                ADD CONSTRAINT ck_{table}_{column} CHECK (jsonb_typeof({column}) = 'object');
        """)
