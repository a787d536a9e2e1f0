"""The mutations of second factors, passkeys and proofs."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.mutation` used as a decorator has no type of its own.)

from __future__ import annotations

import strawberry

from subgraphs.common.errors import ValidationRefusal
from subgraphs.common.ids import input_id
from subgraphs.common.scalars import JSON
from subgraphs.identity.context import Context, Info
from subgraphs.identity.cookie import keep_device, keep_session
from subgraphs.identity.factor_results import (
    AddPasskeyResult,
    AddPasskeySuccess,
    BeginPasskeyLoginResult,
    BeginPasskeyResult,
    BeginTotpResult,
    BeginTotpSuccess,
    CompleteLoginResult,
    ConfirmTotpResult,
    ConfirmTotpSuccess,
    EndTotpResult,
    EndTotpSuccess,
    LoginWithPasskeyResult,
    PasskeyCeremony,
    ProveIdentityResult,
    ProveIdentitySuccess,
    RemovePasskeyResult,
    RemovePasskeySuccess,
    RenamePasskeyResult,
    RenamePasskeySuccess,
    RenewRecoveryCodesResult,
    RenewRecoveryCodesSuccess,
)
from subgraphs.identity.passkeys import Ceremony
from subgraphs.identity.refusals import attempt_guarded
from subgraphs.identity.results import LoginSuccess
from subgraphs.identity.sessions import SignIn
from subgraphs.identity.types import Account, Passkey


@strawberry.input
class CompleteLoginInput:
    challenge: str = strawberry.field(description="From `SecondFactorRequired`.")
    code: str = strawberry.field(description="Of the app, or a recovery code.")


@strawberry.input(description="A browser's answer: what `navigator.credentials` gave, as JSON.")
class PasskeyAnswerInput:
    challenge: str
    credential: JSON


@strawberry.input
class LoginWithPasskeyInput(PasskeyAnswerInput):
    pass


@strawberry.input
class AddPasskeyInput(PasskeyAnswerInput):
    name: str = strawberry.field(description="By which its owner knows it again.")


@strawberry.input
class RenamePasskeyInput:
    id: strawberry.ID
    name: str


@strawberry.input(description="The password, with a code where the account has an app; or a passkey.")
class ProveIdentityInput:
    password: str | None = None
    code: str | None = None
    passkey: PasskeyAnswerInput | None = None


def signed_in(context: Context, login: SignIn) -> LoginSuccess:
    """Have the browser keep the session, and answer it."""
    keep_session(context, login.token, login.expires_at)
    if login.device_token is not None:
        keep_device(context, login.device_token)
    return LoginSuccess(account=Account.of(login.account), token=login.token, expires_at=login.expires_at)


def _shown(ceremony: Ceremony) -> PasskeyCeremony:
    return PasskeyCeremony(challenge=ceremony.challenge, options=JSON(ceremony.options))


@strawberry.type
class FactorMutations:
    """Mutations of second factors, passkeys and proofs."""

    @strawberry.mutation(description="The second step of a sign-in, after `SecondFactorRequired`.")
    async def complete_login(self, info: Info, input: CompleteLoginInput) -> CompleteLoginResult:
        async def work() -> LoginSuccess:
            sessions = info.context.service.sessions
            return signed_in(info.context, await sessions.complete(info.context.client, input.challenge, input.code))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="What a browser needs to sign in with a passkey, or to prove itself by one.")
    async def begin_passkey_login(self, info: Info) -> BeginPasskeyLoginResult:
        async def work() -> PasskeyCeremony:
            return _shown(await info.context.service.passkeys.begin_sign_in(info.context.client))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Sign in with a passkey, without a password.")
    async def login_with_passkey(self, info: Info, input: LoginWithPasskeyInput) -> LoginWithPasskeyResult:
        async def work() -> LoginSuccess:
            sessions, client = info.context.service.sessions, info.context.client
            return signed_in(info.context, await sessions.by_passkey(client, input.challenge, input.credential))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="What a browser needs to make a passkey for your account.")
    async def begin_passkey(self, info: Info) -> BeginPasskeyResult:
        async def work() -> PasskeyCeremony:
            return _shown(await info.context.service.passkeys.begin_registration(info.context.client))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Keep the passkey that the browser made.")
    async def add_passkey(self, info: Info, input: AddPasskeyInput) -> AddPasskeyResult:
        async def work() -> AddPasskeySuccess:
            row = await info.context.service.passkeys.register(
                info.context.client, input.challenge, input.credential, input.name
            )
            return AddPasskeySuccess(passkey=Passkey.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Call one of your passkeys otherwise.")
    async def rename_passkey(self, info: Info, input: RenamePasskeyInput) -> RenamePasskeyResult:
        async def work() -> RenamePasskeySuccess:
            passkeys = info.context.service.passkeys
            row = await passkeys.rename(info.context.client, input_id("Passkey", input.id), input.name)
            return RenamePasskeySuccess(passkey=Passkey.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Accept one of your passkeys no more.")
    async def remove_passkey(self, info: Info, id: strawberry.ID) -> RemovePasskeyResult:
        async def work() -> RemovePasskeySuccess:
            row = await info.context.service.passkeys.remove(info.context.client, input_id("Passkey", id))
            return RemovePasskeySuccess(account=Account.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Make a secret for an app of codes; `confirmTotp` makes it count.")
    async def begin_totp(self, info: Info) -> BeginTotpResult:
        async def work() -> BeginTotpSuccess:
            made = await info.context.service.factors.begin_totp(info.context.client)
            return BeginTotpSuccess(secret=made.secret, uri=made.uri)

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Ask for a code of the app at each sign-in from now on.")
    async def confirm_totp(self, info: Info, code: str) -> ConfirmTotpResult:
        async def work() -> ConfirmTotpSuccess:
            codes = await info.context.service.factors.confirm_totp(info.context.client, code)
            return ConfirmTotpSuccess(recovery_codes=codes)

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Ask for codes of the app no more; recovery codes end with it.")
    async def end_totp(self, info: Info) -> EndTotpResult:
        async def work() -> EndTotpSuccess:
            return EndTotpSuccess(account=Account.of(await info.context.service.factors.end_totp(info.context.client)))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="New recovery codes in place of the former ones.")
    async def renew_recovery_codes(self, info: Info) -> RenewRecoveryCodesResult:
        async def work() -> RenewRecoveryCodesSuccess:
            codes = await info.context.service.factors.renew_recovery_codes(info.context.client)
            return RenewRecoveryCodesSuccess(recovery_codes=codes)

        return await attempt_guarded(info, work())

    @strawberry.mutation(
        description="Prove that it is you who uses this session, for changes that need a recent proof."
    )
    async def prove_identity(self, info: Info, input: ProveIdentityInput) -> ProveIdentityResult:
        async def work() -> ProveIdentitySuccess:
            proofs, client = info.context.service.proofs, info.context.client
            if (input.password is None) == (input.passkey is None):
                raise ValidationRefusal.at("password", "Give either the password or a passkey.")
            if input.passkey is not None:
                row = await proofs.by_passkey(client, input.passkey.challenge, input.passkey.credential)
            else:
                row = await proofs.by_password(client, input.password or "", input.code)
            return ProveIdentitySuccess(account=Account.of(row))

        return await attempt_guarded(info, work())
