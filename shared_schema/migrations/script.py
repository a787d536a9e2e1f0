"""SQL text of several statements -> run in the migration's transaction, as it stands."""

from alembic import op
from psycopg import Connection


def run_script(statements: str) -> None:
    """Run statements with no parameters: `%` and `:` mean what they mean in SQL."""
    driver = op.get_bind().connection.driver_connection
    if not isinstance(driver, Connection):
        raise TypeError("migrations run on psycopg")
    driver.execute(statements.encode())
