"""Results of the mutations of second factors, passkeys and proofs."""

from __future__ import annotations

from typing import Annotated

import strawberry

from subgraphs.common.scalars import JSON
from subgraphs.identity.account_results import GuardedError
from subgraphs.identity.results import LoginSuccess
from subgraphs.identity.types import Account, Passkey


@strawberry.type(description="What a browser needs for `navigator.credentials`, and how its answer is named.")
class PasskeyCeremony:
    challenge: str = strawberry.field(description="Send it back with the browser's answer, within five minutes.")
    options: JSON = strawberry.field(description="`publicKey`, with bytes in base64url.")


@strawberry.type
class AddPasskeySuccess:
    passkey: Passkey


@strawberry.type
class RenamePasskeySuccess:
    passkey: Passkey


@strawberry.type
class RemovePasskeySuccess:
    account: Account


@strawberry.type
class BeginTotpSuccess:
    secret: str = strawberry.field(description="For an app; it is shown this once.")
    uri: str = strawberry.field(description="The same as an `otpauth:` address, for a QR code.")


@strawberry.type
class ConfirmTotpSuccess:
    recovery_codes: list[str] = strawberry.field(description="Each stands in for the app once.")


@strawberry.type
class EndTotpSuccess:
    account: Account


@strawberry.type
class RenewRecoveryCodesSuccess:
    recovery_codes: list[str] = strawberry.field(description="The former ones are worth nothing.")


@strawberry.type
class ProveIdentitySuccess:
    account: Account


CompleteLoginResult = Annotated[LoginSuccess | GuardedError, strawberry.union("CompleteLoginResult")]
BeginPasskeyLoginResult = Annotated[PasskeyCeremony | GuardedError, strawberry.union("BeginPasskeyLoginResult")]
LoginWithPasskeyResult = Annotated[LoginSuccess | GuardedError, strawberry.union("LoginWithPasskeyResult")]
BeginPasskeyResult = Annotated[PasskeyCeremony | GuardedError, strawberry.union("BeginPasskeyResult")]
AddPasskeyResult = Annotated[AddPasskeySuccess | GuardedError, strawberry.union("AddPasskeyResult")]
RenamePasskeyResult = Annotated[RenamePasskeySuccess | GuardedError, strawberry.union("RenamePasskeyResult")]
RemovePasskeyResult = Annotated[RemovePasskeySuccess | GuardedError, strawberry.union("RemovePasskeyResult")]
BeginTotpResult = Annotated[BeginTotpSuccess | GuardedError, strawberry.union("BeginTotpResult")]
ConfirmTotpResult = Annotated[ConfirmTotpSuccess | GuardedError, strawberry.union("ConfirmTotpResult")]
EndTotpResult = Annotated[EndTotpSuccess | GuardedError, strawberry.union("EndTotpResult")]
RenewRecoveryCodesResult = Annotated[
    RenewRecoveryCodesSuccess | GuardedError, strawberry.union("RenewRecoveryCodesResult")
]
ProveIdentityResult = Annotated[ProveIdentitySuccess | GuardedError, strawberry.union("ProveIdentityResult")]
