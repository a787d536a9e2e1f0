"""Refusals of services -> the typed errors that clients read in a mutation's result union."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

import strawberry

from subgraphs.common.context import Denial, RequestContext
from subgraphs.common.errors import (
    ConflictRefusal,
    ForbiddenRefusal,
    NotFoundRefusal,
    Refusal,
    UnauthenticatedRefusal,
    ValidationRefusal,
)

T = TypeVar("T")


@strawberry.federation.interface(description="What every typed error of a mutation has.")
class Error:
    message: str = strawberry.field(description="What went wrong, for a person to read.")


@strawberry.federation.type(shareable=True, description="One value of the input that was refused.")
class FieldError:
    path: list[str] = strawberry.field(
        description='The way to the value below `input`, e.g. `["parameters", "texts", "0"]`.'
    )
    message: str = strawberry.field(description="Why it was refused.")


@strawberry.federation.type(shareable=True, description="The input breaks rules; nothing was changed.")
class ValidationError(Error):
    fields: list[FieldError] = strawberry.field(description="Each refused value.")


@strawberry.federation.type(shareable=True, description="There is no such thing that the caller may see.")
class NotFoundError(Error):
    pass


@strawberry.federation.type(shareable=True, description="The caller may not do this.")
class ForbiddenError(Error):
    pass


@strawberry.federation.type(shareable=True, description="The present state does not allow this.")
class ConflictError(Error):
    pass


@strawberry.federation.type(shareable=True, description="The caller is not signed in, or the credentials are wrong.")
class UnauthenticatedError(Error):
    pass


TypedError = ValidationError | NotFoundError | ForbiddenError | ConflictError | UnauthenticatedError


def typed_error(refusal: Refusal) -> TypedError:
    """The typed error that says what `refusal` says."""
    match refusal:
        case ValidationRefusal():
            fields = [FieldError(path=list(p.path), message=p.message) for p in refusal.problems]
            return ValidationError(message=refusal.message, fields=fields)
        case NotFoundRefusal():
            return NotFoundError(message=refusal.message)
        case ForbiddenRefusal():
            return ForbiddenError(message=refusal.message)
        case ConflictRefusal():
            return ConflictError(message=refusal.message)
        case UnauthenticatedRefusal():
            return UnauthenticatedError(message=refusal.message)
    raise TypeError(f"no typed error for {type(refusal).__name__}") from refusal


async def attempt(info: strawberry.Info[Any, None], work: Awaitable[T]) -> T | TypedError:
    """Result of a mutation's `work`, or the typed error for its refusal."""
    context: RequestContext = info.context
    try:
        return await work
    except Refusal as refusal:
        if isinstance(refusal, ForbiddenRefusal | UnauthenticatedRefusal) and not refusal.is_recorded:
            code = "FORBIDDEN" if isinstance(refusal, ForbiddenRefusal) else "UNAUTHENTICATED"
            context.denials.append(Denial(info.field_name, code))
        elif isinstance(refusal, NotFoundRefusal) and refusal.hidden is not None:
            context.denials.append(Denial(info.field_name, "NOT_FOUND", *refusal.hidden))
        return typed_error(refusal)
    finally:
        context.renew_loaders()
