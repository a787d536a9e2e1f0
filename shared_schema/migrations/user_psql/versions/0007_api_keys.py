"""API keys with an environment and an id in their text, two secrets while they are rotated, and address ranges."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply. Keys of before (`bbk_…`) name neither row nor environment; they end."""
    op.execute("UPDATE api_keys SET revoked_at = now() WHERE revoked_at IS NULL")
    op.alter_column("api_keys", "prefix", type_=sa.String(length=40))
    op.drop_index("uq_api_keys_secret_hash", table_name="api_keys")
    op.add_column("api_keys", sa.Column("previous_secret_hash", sa.LargeBinary(length=32), nullable=True))
    op.add_column("api_keys", sa.Column("previous_expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "api_keys",
        sa.Column("allowed_networks", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_api_keys_previous_secret_hash"), "api_keys", "octet_length(previous_secret_hash) = 32"
    )
    op.create_check_constraint(
        op.f("ck_api_keys_previous"), "api_keys", "(previous_secret_hash IS NULL) = (previous_expires_at IS NULL)"
    )


def downgrade() -> None:
    """Take back. Keys end again: code of before finds none by their new text."""
    op.execute("UPDATE api_keys SET revoked_at = now() WHERE revoked_at IS NULL")
    for name in ("allowed_networks", "rotated_at", "previous_expires_at", "previous_secret_hash"):
        op.drop_column("api_keys", name)
    op.create_index("uq_api_keys_secret_hash", "api_keys", ["secret_hash"], unique=True)
    op.execute("UPDATE api_keys SET prefix = left(prefix, 16)")
    op.alter_column("api_keys", "prefix", type_=sa.String(length=16))
