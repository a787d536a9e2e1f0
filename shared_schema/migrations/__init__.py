"""One Alembic environment per database: `user_psql` and `shared_psql`."""
