"""The command line itself: help and health checks load no database."""

import subprocess
import sys


def test_the_command_line_alone_loads_neither_a_database_nor_password_hashing() -> None:
    """Containers ask `botberi healthy` often, and every service begins with it."""
    code = "import sys, botberi.cli; print(sorted({'sqlalchemy', 'argon2', 'strawberry', 'celery'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
