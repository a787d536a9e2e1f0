"""The root fields of identity that change something."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.mutation` used as a decorator has no type of its own.)

from __future__ import annotations

from datetime import datetime

import strawberry

from subgraphs.common.ids import input_id
from subgraphs.common.results import attempt
from subgraphs.identity.account_mutations import AccountMutations
from subgraphs.identity.api_keys import KeyRequest
from subgraphs.identity.context import Info
from subgraphs.identity.cookie import forget_session, keep_session
from subgraphs.identity.factor_mutations import FactorMutations, signed_in
from subgraphs.identity.provider_mutations import ProviderMutations
from subgraphs.identity.refusals import attempt_guarded
from subgraphs.identity.results import (
    ChangePasswordResult,
    ChangePasswordSuccess,
    CreateApiKeyResult,
    CreateApiKeySuccess,
    LoginResult,
    LoginSuccess,
    LogoutResult,
    LogoutSuccess,
    RevokeApiKeyResult,
    RevokeApiKeySuccess,
    RevokeSessionResult,
    RevokeSessionsResult,
    RevokeSessionsSuccess,
    RevokeSessionSuccess,
    RotateApiKeyResult,
    RotateApiKeySuccess,
    SecondFactorRequired,
    attempt_throttled,
)
from subgraphs.identity.sessions import SecondStep
from subgraphs.identity.types import Account, ApiKey, Session
from subgraphs.identity.workspace_mutations import WorkspaceMutation


@strawberry.input
class LoginInput:
    email: str
    password: str


@strawberry.input
class ChangePasswordInput:
    current_password: str
    new_password: str = strawberry.field(description="12 to 256 characters.")
    keep_api_keys: bool = strawberry.field(
        default=False,
        description="True keeps your API keys; else they end, as a person who knew the password may have made some.",
    )


@strawberry.input
class CreateApiKeyInput:
    name: str
    scopes: list[str] | None = strawberry.field(
        default=None, description="Some of your own, e.g. `instances:read`; else all that a key may be given."
    )
    expires_at: datetime | None = strawberry.field(default=None, description="90 days from now if it is left out.")
    workspace_id: strawberry.ID | None = strawberry.field(
        default=None, description="The one workspace in which the key may be used; all of yours if it is left out."
    )
    allowed_networks: list[str] = strawberry.field(
        default_factory=list,
        description="Networks such as `192.0.2.0/24` from which alone the key may be used; none: from everywhere.",
    )


@strawberry.input
class RotateApiKeyInput:
    id: strawberry.ID
    overlap_seconds: int = strawberry.field(
        default=24 * 3600, description="How long the secret of before is good as well: 0 to 2592000 (30 days)."
    )
    expires_at: datetime | None = strawberry.field(default=None, description="90 days from now if it is left out.")


@strawberry.type
class Mutation(AccountMutations, FactorMutations, ProviderMutations, WorkspaceMutation):
    """Mutations of identity."""

    @strawberry.mutation(description="Sign in: sets the session cookie, and answers the same token.")
    async def login(self, info: Info, input: LoginInput) -> LoginResult:
        async def work() -> LoginSuccess | SecondFactorRequired:
            login = await info.context.service.sessions.login(info.context.client, input.email, input.password)
            if isinstance(login, SecondStep):
                return SecondFactorRequired(challenge=login.challenge)
            return signed_in(info.context, login)

        return await attempt_throttled(info, work())

    @strawberry.mutation(description="End this session and drop its cookie.")
    async def logout(self, info: Info) -> LogoutResult:
        async def work() -> LogoutSuccess:
            caller = info.context.caller
            row = await info.context.service.sessions.logout(info.context.client)
            return LogoutSuccess(session=Session.of(row, caller.session_id))

        # The cookie goes in any case: one that signs no one in is of no use.
        forget_session(info.context)
        return await attempt(info, work())

    @strawberry.mutation(
        description="Change your password; your other sessions and your API keys end, and this session gets a new "
        "token."
    )
    async def change_password(self, info: Info, input: ChangePasswordInput) -> ChangePasswordResult:
        async def work() -> ChangePasswordSuccess:
            changed = await info.context.service.accounts.change_password(
                info.context.client, input.current_password, input.new_password, keep_api_keys=input.keep_api_keys
            )
            if changed.token is not None and changed.expires_at is not None:
                keep_session(info.context, changed.token, changed.expires_at)
            account = Account.of(changed.account)
            return ChangePasswordSuccess(account=account, token=changed.token, expires_at=changed.expires_at)

        return await attempt_throttled(info, work())

    @strawberry.mutation(description="Make an API key. Its secret is shown once.")
    async def create_api_key(self, info: Info, input: CreateApiKeyInput) -> CreateApiKeyResult:
        async def work() -> CreateApiKeySuccess:
            given = input.workspace_id
            workspace_id = None if given is None else input_id("Workspace", given, "workspaceId")
            asked = KeyRequest(input.name, input.scopes, input.expires_at, input.allowed_networks, workspace_id)
            created = await info.context.service.api_keys.create(info.context.client, asked)
            return CreateApiKeySuccess(api_key=ApiKey.of(created.key), secret=created.secret)

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Give an API key a new secret, shown once; the one before stays good for a while.")
    async def rotate_api_key(self, info: Info, input: RotateApiKeyInput) -> RotateApiKeyResult:
        async def work() -> RotateApiKeySuccess:
            key_id = input_id("ApiKey", input.id)
            rotated = await info.context.service.api_keys.rotate(
                info.context.client, key_id, input.overlap_seconds, input.expires_at
            )
            return RotateApiKeySuccess(api_key=ApiKey.of(rotated.key), secret=rotated.secret)

        return await attempt_throttled(info, work())

    @strawberry.mutation(description="End all your sessions but this one, or this one too.")
    async def revoke_sessions(self, info: Info, keep_current: bool = True) -> RevokeSessionsResult:
        async def work() -> RevokeSessionsSuccess:
            ended = await info.context.service.sessions.revoke_all(info.context.client, keep_current=keep_current)
            return RevokeSessionsSuccess(ended=ended)

        if not keep_current:
            forget_session(info.context)
        return await attempt(info, work())

    @strawberry.mutation(description="End one of your API keys.")
    async def revoke_api_key(self, info: Info, id: strawberry.ID) -> RevokeApiKeyResult:
        async def work() -> RevokeApiKeySuccess:
            row = await info.context.service.api_keys.revoke(info.context.client, input_id("ApiKey", id))
            return RevokeApiKeySuccess(api_key=ApiKey.of(row))

        return await attempt(info, work())

    @strawberry.mutation(description="End one of your sessions.")
    async def revoke_session(self, info: Info, id: strawberry.ID) -> RevokeSessionResult:
        async def work() -> RevokeSessionSuccess:
            caller = info.context.caller
            row = await info.context.service.sessions.revoke(info.context.client, input_id("Session", id))
            return RevokeSessionSuccess(session=Session.of(row, caller.session_id))

        return await attempt(info, work())
