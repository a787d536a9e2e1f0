"""Failures of the database are distinguished from faults of ours."""

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, InternalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from subgraphs.common.masking import unavailable


class Coded(Exception):
    """A driver's error with an SQLSTATE."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("from the driver")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (PoolTimeout(), True),
        (asyncpg.CannotConnectNowError("starting up"), True),
        (asyncpg.TooManyConnectionsError("full"), True),
        (asyncpg.InvalidPasswordError("no"), True),
        (DBAPIError("SELECT 1", {}, Coded("57P01")), True),
        (DBAPIError("SELECT 1", {}, Coded("57014")), True),
        (DBAPIError("SELECT 1", {}, Coded("40P01")), True),
        (DBAPIError("SELECT 1", {}, Coded(None), connection_invalidated=True), True),
        (InterfaceError("SELECT 1", {}, Coded(None)), True),
        (InternalError("SELECT 1", {}, Coded(None)), True),
        (InternalError("SELECT 1", {}, Coded("XX000")), False),
        (ProgrammingError("SELECT 1", {}, Coded("42P01")), False),
        (IntegrityError("INSERT", {}, Coded("23505")), False),
        (asyncpg.UndefinedTableError("no such table"), False),
        (RuntimeError(), False),
    ],
)
def test_unavailable(cause: BaseException, expected: bool) -> None:
    assert unavailable(cause) is expected
