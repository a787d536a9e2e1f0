"""Results of identity's mutations: a success type each, in a union with the typed errors."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, TypeVar

import strawberry

from subgraphs.common.results import Error, TypedError, attempt
from subgraphs.identity.context import Info
from subgraphs.identity.throttle import ThrottledRefusal
from subgraphs.identity.types import Account, ApiKey, Session

T = TypeVar("T")


@strawberry.type(description="Too many tries; wait before the next one.")
class ThrottledError(Error):
    retry_after_seconds: int = strawberry.field(description="Seconds after which trying again may succeed.")


@strawberry.type(description="This needs a recent proof that it is you: `proveIdentity`, then the same again.")
class ProofNeededError(Error):
    pass


@strawberry.type
class RegisterSuccess:
    account: Account | None = strawberry.field(
        description="Null where the address has to be confirmed first, by the link in a mail: `verifyEmail`."
    )


@strawberry.type
class LoginSuccess:
    account: Account
    token: str = strawberry.field(
        description="Send it as `Authorization: Bearer …`. Browsers need not: they have the session cookie."
    )
    expires_at: datetime


@strawberry.type(description="The password was right; a code of the account's app comes next: `completeLogin`.")
class SecondFactorRequired:
    challenge: str = strawberry.field(description="Send it with the code, within five minutes.")


@strawberry.type
class LogoutSuccess:
    session: Session


@strawberry.type
class ChangePasswordSuccess:
    account: Account
    token: str | None = strawberry.field(
        description="The session's new token; the old one has ended. Browsers need not: they have the new cookie."
    )
    expires_at: datetime | None


@strawberry.type
class CreateApiKeySuccess:
    api_key: ApiKey
    secret: str = strawberry.field(description="The key itself. It is shown this once and stored nowhere.")


@strawberry.type
class RotateApiKeySuccess:
    api_key: ApiKey
    secret: str = strawberry.field(description="The key with its new secret. It is shown this once and stored nowhere.")


@strawberry.type
class RevokeApiKeySuccess:
    api_key: ApiKey


@strawberry.type
class RevokeSessionSuccess:
    session: Session


@strawberry.type
class RevokeSessionsSuccess:
    ended: int = strawberry.field(description="How many sessions were ended.")


RegisterResult = Annotated[RegisterSuccess | TypedError | ThrottledError, strawberry.union("RegisterResult")]
LoginResult = Annotated[
    LoginSuccess | SecondFactorRequired | TypedError | ThrottledError, strawberry.union("LoginResult")
]
ChangePasswordResult = Annotated[
    ChangePasswordSuccess | TypedError | ThrottledError, strawberry.union("ChangePasswordResult")
]
LogoutResult = Annotated[LogoutSuccess | TypedError, strawberry.union("LogoutResult")]
CreateApiKeyResult = Annotated[
    CreateApiKeySuccess | TypedError | ThrottledError | ProofNeededError, strawberry.union("CreateApiKeyResult")
]
RotateApiKeyResult = Annotated[
    RotateApiKeySuccess | TypedError | ThrottledError, strawberry.union("RotateApiKeyResult")
]
RevokeApiKeyResult = Annotated[RevokeApiKeySuccess | TypedError, strawberry.union("RevokeApiKeyResult")]
RevokeSessionsResult = Annotated[RevokeSessionsSuccess | TypedError, strawberry.union("RevokeSessionsResult")]
RevokeSessionResult = Annotated[RevokeSessionSuccess | TypedError, strawberry.union("RevokeSessionResult")]


async def attempt_throttled(info: Info, work: Awaitable[T]) -> T | TypedError | ThrottledError:
    """As `attempt`, for mutations that are counted."""

    async def counted() -> T | ThrottledError:
        try:
            return await work
        except ThrottledRefusal as refusal:
            return ThrottledError(message=refusal.message, retry_after_seconds=refusal.retry_after)

    return await attempt(info, counted())
