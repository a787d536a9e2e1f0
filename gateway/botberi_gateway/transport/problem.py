"""Exceptions -> what a client gets: message, code, HTTP status; for faults of our own an id that the log has too."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from botberi_gateway import errors
from botberi_gateway.codec import encode
from botberi_gateway.engine import OVERLOADED
from botberi_gateway.errors import ErrorEntry, GatewayError, RequestError
from botberi_gateway.operation.wording import bounded

logger = logging.getLogger(__name__)

UNSUPPORTED_MEDIA_TYPE: Final = "UNSUPPORTED_MEDIA_TYPE"
NOT_ACCEPTABLE: Final = "NOT_ACCEPTABLE"
METHOD_NOT_ALLOWED: Final = "METHOD_NOT_ALLOWED"
PAYLOAD_TOO_LARGE: Final = "PAYLOAD_TOO_LARGE"
REQUEST_TIMEOUT: Final = "REQUEST_TIMEOUT"
CSRF_PREVENTED: Final = "CSRF_PREVENTED"
VERIFIER_UNAVAILABLE: Final = "VERIFIER_UNAVAILABLE"
BATCHING_NOT_SUPPORTED: Final = "BATCHING_NOT_SUPPORTED"

#: Statuses of errors that are not the fault of the document; all others are 400 (or 200 in `application/json`).
_STATUSES: Final[Mapping[str, int]] = {
    errors.UNAUTHENTICATED: 401,
    errors.FORBIDDEN: 403,
    errors.QUERY_PLANNING_FAILED: 500,
    errors.INTERNAL_SERVER_ERROR: 500,
    errors.EVENT_SOURCE_UNAVAILABLE: 503,
    OVERLOADED: 503,
    VERIFIER_UNAVAILABLE: 503,
}


@dataclass(slots=True, eq=False)
class HttpProblem(Exception):
    """The HTTP request itself is wrong, whatever GraphQL it carries. Its status counts in every media type."""

    status: int
    message: str
    code: str = errors.BAD_REQUEST
    headers: Sequence[tuple[bytes, bytes]] = field(default=())

    def entry(self) -> ErrorEntry:
        """As an entry of `errors`."""
        return ErrorEntry(self.message, self.code)


#: The answer to a request that isn't looked at, as too many are under way; written once.
BUSY: Final = encode({"errors": [ErrorEntry("Too many requests are under way; try again.", OVERLOADED).to_json()]})
RETRY_SOON: Final = ((b"retry-after", b"1"),)


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client gets in place of an answer.

    `status` is None where the media type decides (a document that can't be executed).
    """

    entries: Sequence[ErrorEntry]
    status: int | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()

    @property
    def code(self) -> str:
        """The first entry's code, for logs and metrics."""
        return self.entries[0].code

    def to_json(self) -> list[dict[str, Any]]:
        """The `errors` list."""
        return [entry.to_json() for entry in self.entries]

    def to_bytes(self) -> bytes:
        """A response without `data`: nothing was executed."""
        return encode({"errors": self.to_json()})


def describe(error: Exception) -> Failure:
    """Turn an exception into what a client gets; nothing else does that.

    An exception that isn't foreseen is logged, and the client gets an id by which the log line is found.
    """
    if isinstance(error, HttpProblem):
        return Failure([error.entry()], error.status, error.headers)
    if isinstance(error, RequestError):
        return Failure(error.errors, _STATUSES.get(error.code))
    if isinstance(error, GatewayError) and error.code != errors.INTERNAL_SERVER_ERROR:
        status = _STATUSES.get(error.code)
        retry = RETRY_SOON if status == 503 else ()
        if status is not None and status >= 500:
            reference = _reference()
            logger.error("%s %s: %s", reference, error.code, error.message)
            return Failure(
                [ErrorEntry(bounded(error.message), error.code, extensions={"id": reference})], status, retry
            )
        challenge = ((b"www-authenticate", b"Bearer"),) if status == 401 else ()
        return Failure([ErrorEntry(bounded(error.message), error.code)], status, challenge)
    reference = _reference()
    logger.error("%s unexpected failure", reference, exc_info=error)
    entry = ErrorEntry("Internal server error.", errors.INTERNAL_SERVER_ERROR, extensions={"id": reference})
    return Failure([entry], 500)


def _reference() -> str:
    return secrets.token_hex(8)
