"""GraphQL errors -> what the client may read: public ones as they are, all others an id that the log explains."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from asyncpg.exceptions import PostgresError
from graphql import GraphQLError, GraphQLSyntaxError
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from subgraphs.common.errors import BadInput, Busy, PublicError, Unavailable

# Classes of SQLSTATE, and codes: connection failures, no entrance, shutdown, too many connections,
# timeouts of statements and locks, deadlocks.
_UNAVAILABLE = ("08", "28", "3D", "57P", "53", "57014", "55P03", "40")
_UNSTORABLE_TEXT = ("22021", "22P05")


def formatted(error: GraphQLError, logger: logging.Logger) -> dict[str, Any]:
    """One entry of `errors`; what is not public is logged with an id, and the client gets the id."""
    entry: dict[str, Any] = {"message": error.message}
    if error.locations:
        entry["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path is not None:
        entry["path"] = error.path
    cause = public_cause(error.original_error)
    if isinstance(cause, PublicError):
        entry["message"] = cause.message
        entry["extensions"] = {**cause.extensions, "code": cause.code}
        if isinstance(cause, Unavailable) and not isinstance(cause, Busy):
            logger.error("%s is unavailable: %r", error.path, error.original_error)
    elif cause is None:
        parsing = isinstance(error, GraphQLSyntaxError)
        code = "GRAPHQL_PARSE_FAILED" if parsing else "GRAPHQL_VALIDATION_FAILED"
        # Only an executed field has a path; then it is its arguments that cannot be coerced.
        about_values = error.path is not None or error.message.startswith("Variable ")
        entry["extensions"] = {"code": "BAD_USER_INPUT" if about_values else code}
    else:
        incident = unexpected(logger, error.path, cause)
        entry["message"] = "Something went wrong here; the log knows more by the error's id."
        entry["extensions"] = {"code": "INTERNAL_SERVER_ERROR", "errorId": incident}
    return entry


def unexpected(logger: logging.Logger, path: object, cause: BaseException) -> str:
    """Log an unexpected error, and return the id by which it is found in the log."""
    incident = secrets.token_hex(8)
    logger.error("Error %s at %s", incident, path, exc_info=cause)
    return incident


def public_cause(cause: BaseException | None) -> BaseException | None:
    """What a resolver raised, as clients may see it: errors of the database in the words of a public one."""
    if isinstance(cause, GraphQLError):
        return public_cause(cause.original_error)
    if isinstance(cause, DBAPIError):
        state = str(getattr(cause.orig, "sqlstate", None) or "")
        if state in _UNSTORABLE_TEXT:
            return BadInput("A text holds a character that cannot be stored (U+0000).")
    if cause is not None and unavailable(cause):
        return Unavailable("The database cannot be reached or is too busy; try again.")
    return cause


def unavailable(cause: BaseException) -> bool:
    """True if the database is what fails, for a while."""
    if isinstance(cause, DBAPIError):
        state = str(getattr(cause.orig, "sqlstate", None) or "")
        # The driver's own errors have no SQLSTATE: a connection cut between two of its steps confuses it.
        confused = not state and isinstance(cause, InterfaceError | InternalError)
        return cause.connection_invalidated or confused or state.startswith(_UNAVAILABLE)
    if isinstance(cause, PostgresError):  # Raised while connecting, where SQLAlchemy translates nothing.
        return str(cause.sqlstate).startswith(_UNAVAILABLE)
    # A refused or lost connection reaches us as OSError, a full pool or a slow peer as a timeout.
    return isinstance(cause, OSError | PoolTimeout | TimeoutError)
