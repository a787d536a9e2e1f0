"""Second factors: an app's codes, recovery codes, passkeys that no one can make up, and proofs of late."""

import time
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import select, update

from shared_schema.links import Keys
from shared_schema.models import AccountSession, Challenge, TotpFactor
from subgraphs.identity import codes
from tests.subgraphs.conftest import Client
from tests.subgraphs.test_identity_accounts import ERRORS, mails_to, mutation
from tests.support.identity import (
    PASSWORD,
    WRONG,
    audit_entries,
    identity_client,
    login,
    register,
    signed_in,
    verify,
)

LOGIN = f"""mutation ($input: LoginInput!) {{ login(input: $input) {{ {ERRORS}
  ... on LoginSuccess {{ token }} ... on SecondFactorRequired {{ challenge }} }} }}"""
COMPLETE = mutation("completeLogin", {"input": "CompleteLoginInput!"}, "... on LoginSuccess { token }")
OPERATIONS = {
    "beginTotp": mutation("beginTotp", {}, "... on BeginTotpSuccess { secret uri }"),
    "confirmTotp": mutation("confirmTotp", {"code": "String!"}, "... on ConfirmTotpSuccess { recoveryCodes }"),
    "endTotp": mutation("endTotp", {}),
    "renewRecoveryCodes": mutation("renewRecoveryCodes", {}, "... on RenewRecoveryCodesSuccess { recoveryCodes }"),
    "proveIdentity": mutation("proveIdentity", {"input": "ProveIdentityInput!"}),
    "closeAccount": mutation("closeAccount", {}),
    "beginPasskey": mutation("beginPasskey", {}, "... on PasskeyCeremony { challenge options }"),
    "beginPasskeyLogin": mutation("beginPasskeyLogin", {}, "... on PasskeyCeremony { challenge options }"),
    "addPasskey": mutation("addPasskey", {"input": "AddPasskeyInput!"}),
    "loginWithPasskey": mutation("loginWithPasskey", {"input": "LoginWithPasskeyInput!"}),
}
FACTOR = "{ me { secondFactor { totpSince recoveryCodesLeft } passkeys { name } } }"


async def act(client: Client, field: str, variables: dict[str, Any] | None = None, **who: Any) -> Any:
    return (await client.ask(OPERATIONS[field], variables or {}, **who))[field]


def code_of(secret: str, step: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(time.time()) + step * codes.STEP_SECONDS)


async def with_app(client: Client) -> tuple[dict[str, Any], str, str, list[str]]:
    """Claims of a session of an account that has an app; its address, the app's secret, recovery codes."""
    _, address = await register(client)
    who = await signed_in(client, address)
    made = await act(client, "beginTotp", **who)
    assert made["__typename"] == "BeginTotpSuccess", made
    assert made["secret"] in made["uri"]
    # The code of the step before: tests use that of now.
    done = await act(client, "confirmTotp", {"code": code_of(made["secret"], -1)}, **who)
    assert done["__typename"] == "ConfirmTotpSuccess", done
    return who, address, made["secret"], done["recoveryCodes"]


async def begin(client: Client, address: str) -> Any:
    given = {"input": {"email": address, "password": PASSWORD}}
    return (await client.ask(LOGIN, given))["login"]


async def complete(client: Client, challenge: str, code: str) -> Any:
    return (await client.ask(COMPLETE, {"input": {"challenge": challenge, "code": code}}))["completeLogin"]


async def make_old(client: Client, who: dict[str, Any]) -> None:
    async with client.store.unit_of_work() as session:
        old = AccountSession.created_at - (AccountSession.expires_at - AccountSession.created_at)
        own = update(AccountSession).where(AccountSession.id == who["session_id"])
        await session.execute(own.values(proved_at=old))


async def test_a_sign_in_needs_the_apps_code_which_counts_once(identity: Client) -> None:
    who, address, secret, _ = await with_app(identity)
    asked = await begin(identity, address)
    assert asked["__typename"] == "SecondFactorRequired"
    assert (await complete(identity, asked["challenge"], "000000"))["__typename"] == "UnauthenticatedError"
    code = code_of(secret)
    done = await complete(identity, asked["challenge"], code)
    assert done["__typename"] == "LoginSuccess", done
    assert (await verify(identity, done["token"]))["account_id"] == str(who["account_id"])
    assert (await complete(identity, asked["challenge"], code_of(secret, 1)))["__typename"] == "ValidationError"
    again = await begin(identity, address)
    assert (await complete(identity, again["challenge"], code))["__typename"] == "UnauthenticatedError", "used"
    wrong = await identity.ask(LOGIN, {"input": {"email": address, "password": WRONG}})
    assert wrong["login"]["__typename"] == "UnauthenticatedError"
    assert "session.second_factor" in {entry.action for entry in await audit_entries(identity, who["account_id"])}


async def test_a_recovery_code_stands_in_once_and_its_owner_hears_of_it(identity: Client) -> None:
    who, address, _, recovery = await with_app(identity)
    assert len(set(recovery)) == codes.RECOVERY_CODES
    challenge = (await begin(identity, address))["challenge"]
    assert (await complete(identity, challenge, recovery[0].upper()))["__typename"] == "LoginSuccess"
    challenge = (await begin(identity, address))["challenge"]
    assert (await complete(identity, challenge, recovery[0]))["__typename"] == "UnauthenticatedError"
    assert (await identity.ask(FACTOR, **who))["me"]["secondFactor"]["recoveryCodesLeft"] == len(recovery) - 1
    assert [mail.data["change"] for mail in await mails_to(identity, address)] == ["totp_on", "recovery_code_used"]
    fresh = (await act(identity, "renewRecoveryCodes", **who))["recoveryCodes"]
    assert (await complete(identity, challenge, recovery[1]))["__typename"] == "UnauthenticatedError"
    assert (await complete(identity, challenge, fresh[0]))["__typename"] == "LoginSuccess"


async def test_the_apps_secret_is_encrypted_and_its_codes_end_with_it(identity: Client) -> None:
    who, address, secret, _ = await with_app(identity)
    async with identity.store.read() as session:
        row = await session.scalar(select(TotpFactor).where(TotpFactor.account_id == who["account_id"]))
    assert secret.encode() not in row.secret
    assert Keys([b"another secret that has 32 characters"]).open(row.secret) is None
    assert (
        Keys([b"another secret that has 32 characters", b"a secret of tests alone with 32 characters"]).open(row.secret)
        == secret.encode()
    ), "a former secret still opens what it sealed"
    assert (await act(identity, "beginTotp", **who))["__typename"] == "ConflictError"
    assert (await act(identity, "endTotp", **who))["__typename"] == "EndTotpSuccess"
    assert (await login(identity, address))["__typename"] == "LoginSuccess"
    assert (await identity.ask(FACTOR, **who))["me"]["secondFactor"] == {"totpSince": None, "recoveryCodesLeft": 0}


async def test_codes_are_guessed_no_faster_than_passwords(user_database_url: str) -> None:
    async with identity_client(user_database_url, sign_in_attempts=3) as client:
        _, address, secret, _ = await with_app(client)
        challenge = (await begin(client, address))["challenge"]
        kinds = [(await complete(client, challenge, "123456"))["__typename"] for _ in range(4)]
        assert kinds == ["UnauthenticatedError"] * 3 + ["ThrottledError"]
        assert (await complete(client, challenge, code_of(secret)))["__typename"] == "ThrottledError"


async def test_a_step_ends_after_some_minutes_and_none_can_be_made_up(identity: Client) -> None:
    who, address, secret, _ = await with_app(identity)
    challenge = (await begin(identity, address))["challenge"]
    assert (await complete(identity, challenge[:-1], code_of(secret)))["__typename"] == "ValidationError"
    async with identity.store.unit_of_work() as session:
        own = update(Challenge).where(Challenge.account_id == who["account_id"])
        hour = timedelta(hours=1)
        ended = {"created_at": Challenge.created_at - hour, "expires_at": Challenge.expires_at - hour}
        await session.execute(own.values(ended))
    assert (await complete(identity, challenge, code_of(secret)))["__typename"] == "ValidationError"


@pytest.mark.parametrize("has_app", [False, True])
async def test_a_proof_opens_what_needs_one(identity: Client, has_app: bool) -> None:
    if has_app:
        who, _, secret, _ = await with_app(identity)
    else:
        _, address = await register(identity)
        who, secret = await signed_in(identity, address), ""
    await make_old(identity, who)
    assert (await act(identity, "closeAccount", **who))["__typename"] == "ProofNeededError"
    tries: list[tuple[dict[str, Any], str]] = [
        ({}, "ValidationError"),
        ({"password": WRONG}, "ValidationError"),
        ({"password": PASSWORD}, "ValidationError" if has_app else "ProveIdentitySuccess"),
    ]
    if has_app:
        tries.append(({"password": PASSWORD, "code": code_of(secret)}, "ProveIdentitySuccess"))
    for given, kind in tries:
        assert (await act(identity, "proveIdentity", {"input": given}, **who))["__typename"] == kind, given
    assert (await act(identity, "closeAccount", **who))["__typename"] == "CloseAccountSuccess"


async def test_a_key_that_may_write_needs_a_proof_and_one_that_reads_does_not(identity: Client) -> None:
    _, address = await register(identity)
    who = await signed_in(identity, address)
    await make_old(identity, who)
    query = mutation("createApiKey", {"input": "CreateApiKeyInput!"})
    for scopes, kind in ((["instances:write"], "ProofNeededError"), (["instances:read"], "CreateApiKeySuccess")):
        given = {"input": {"name": "k", "scopes": scopes}}
        assert (await identity.ask(query, given, **who))["createApiKey"]["__typename"] == kind


MADE_UP: list[Any] = [
    {},
    {"id": "x"},
    [],
    "x",
    7,
    {"a": "x" * 40_000},
    {"id": "AA", "rawId": "AA", "response": {}},
]


@pytest.mark.parametrize("credential", MADE_UP, ids=[str(value)[:20] for value in MADE_UP])
async def test_what_no_browser_made_is_no_passkey(user_database_url: str, credential: Any) -> None:
    async with identity_client(user_database_url, public_url="https://botberi.example") as client:
        _, address = await register(client)
        who = await signed_in(client, address)
        made = await act(client, "beginPasskey", **who)
        assert made["options"]["rp"]["id"] == "botberi.example"
        assert made["options"]["authenticatorSelection"]["userVerification"] == "required"
        given = {"input": {"challenge": made["challenge"], "credential": credential, "name": "Key"}}
        assert (await act(client, "addPasskey", given, **who))["__typename"] == "ValidationError"
        asked = await act(client, "beginPasskeyLogin")
        given = {"input": {"challenge": asked["challenge"], "credential": credential}}
        kind = (await act(client, "loginWithPasskey", given))["__typename"]
        assert kind in ("ValidationError", "UnauthenticatedError")
        assert (await client.ask(FACTOR, **who))["me"]["passkeys"] == []


async def test_passkeys_need_the_platforms_public_address(identity: Client) -> None:
    assert (await act(identity, "beginPasskeyLogin"))["__typename"] == "ForbiddenError"
