"""Errors in two kinds: refusals that a mutation answers as data, and failures that become GraphQL errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID


class PublicError(Exception):
    """An error whose message and code the client may see; everything else is masked."""

    code = "INTERNAL_SERVER_ERROR"

    def __init__(self, message: str, *, extensions: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.extensions = dict(extensions or {})


class BadInput(PublicError):
    """An argument of a query that cannot be used as it is."""

    code = "BAD_USER_INPUT"


class Forbidden(PublicError):
    """The caller is known and may not see this."""

    code = "FORBIDDEN"


class TooMuch(PublicError):
    """The client asks for more than one answer may hold."""

    code = "RESPONSE_TOO_LARGE"


class Unauthenticated(PublicError):
    """The field needs a caller who is signed in."""

    code = "UNAUTHENTICATED"


class Unavailable(PublicError):
    """Something that the field needs (a database, a free thread) cannot be had now; trying again helps."""

    code = "SERVICE_UNAVAILABLE"


class Busy(Unavailable):
    """A caller's share of something is used up for a moment. Nothing is broken, so the log has nothing of it."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One input value that is refused: where it stands below `input`, and why."""

    path: tuple[str, ...]
    message: str


class Refusal(Exception):
    """Base of what a service refuses: rolls the unit of work back and is answered as a typed result."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        #: True if the service has written it into the audit log itself.
        self.is_recorded = False

    def recorded(self) -> Self:
        """This refusal, which the service has written into the audit log itself."""
        self.is_recorded = True
        return self


class ValidationRefusal(Refusal):
    """The input breaks rules, each named with its path."""

    def __init__(self, problems: Sequence[FieldProblem], message: str = "The input is not valid.") -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def at(cls, path: str, message: str) -> ValidationRefusal:
        """One problem with the input field `path` (dots part the steps)."""
        return cls([FieldProblem(tuple(path.split(".")), message)])


class NotFoundRefusal(Refusal):
    """The thing is not there, or not there for this caller; `hidden` is then its type and id, for the audit log."""

    def __init__(self, message: str, *, hidden: tuple[str, UUID] | None = None) -> None:
        super().__init__(message)
        self.hidden = hidden


class ForbiddenRefusal(Refusal):
    """The caller may not do this."""


class ConflictRefusal(Refusal):
    """The state of things does not allow this now."""


class UnauthenticatedRefusal(Refusal):
    """The caller has to sign in, or did so with wrong credentials."""
