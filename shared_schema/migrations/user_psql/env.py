"""Alembic's door to `user_psql`."""

from shared_schema.migrations.environment import run
from shared_schema.models import UserBase

run(UserBase.metadata, "BOTBERI_USER_DATABASE_URL")
