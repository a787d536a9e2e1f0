"""Alembic's door to `shared_psql`."""

from shared_schema.migrations.environment import run
from shared_schema.models import SharedBase

run(SharedBase.metadata, "BOTBERI_SHARED_DATABASE_URL")
