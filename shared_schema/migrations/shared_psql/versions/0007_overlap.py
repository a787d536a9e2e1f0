"""A schedule's policy for firings while an earlier instance has not ended; schedules that exist go on as they did."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("schedules", sa.Column("overlap", sa.String(16), server_default="ALLOW", nullable=False))
    op.alter_column("schedules", "overlap", server_default="SKIP")
    op.create_check_constraint(op.f("ck_schedules_overlap"), "schedules", "overlap IN ('ALLOW', 'SKIP')")


def downgrade() -> None:
    """Take back."""
    op.drop_column("schedules", "overlap")
