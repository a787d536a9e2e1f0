"""Accounts from their first mail to their closing: registration, reset, addresses, exports, and what admins do."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from shared_schema.ids import from_global_id, to_global_id
from shared_schema.links import Keys
from shared_schema.models import Account, AccountSession, DataExport, Mail
from tests.subgraphs.conftest import Client
from tests.support.identity import (
    answer_to_register,
    audit_entries,
    identity_client,
    login,
    new_address,
    register,
    signed_in,
    verify,
)

KEYS = Keys([b"a secret of tests alone with 32 characters"])
OTHER_PASSWORD = "another horse and its battery"

ERRORS = """__typename ... on Error { message } ... on ValidationError { fields { path message } }
    ... on ThrottledError { retryAfterSeconds }"""


def mutation(field: str, types: dict[str, str], selection: str = "") -> str:
    declared = ", ".join(f"${name}: {kind}" for name, kind in types.items())
    given = ", ".join(f"{name}: ${name}" for name in types)
    head = f"mutation ({declared})" if types else "mutation"
    return f"{head} {{ {field}{f'({given})' if types else ''} {{ {ERRORS} {selection} }} }}"


ACCOUNT = "{ account { id email closesAt suspendedAt role } }"
OPERATIONS = {
    "verifyEmail": mutation("verifyEmail", {"token": "String!"}, f"... on VerifyEmailSuccess {ACCOUNT}"),
    "requestPasswordReset": mutation("requestPasswordReset", {"email": "String!"}),
    "resetPassword": mutation("resetPassword", {"input": "ResetPasswordInput!"}),
    "changeEmail": mutation("changeEmail", {"newEmail": "String!"}),
    "closeAccount": mutation("closeAccount", {}, f"... on CloseAccountSuccess {ACCOUNT}"),
    "keepAccount": mutation("keepAccount", {}, f"... on KeepAccountSuccess {ACCOUNT}"),
    "exportAccount": mutation("exportAccount", {}, "... on ExportAccountSuccess { dataExport { id url } }"),
    "inviteAccount": mutation("inviteAccount", {"input": "InviteAccountInput!"}),
    "suspendAccount": mutation("suspendAccount", {"input": "SuspendAccountInput!"}),
    "reinstateAccount": mutation("reinstateAccount", {"id": "ID!"}),
    "endAccountSessions": mutation("endAccountSessions", {"id": "ID!"}),
    "setAccountRole": mutation("setAccountRole", {"input": "SetAccountRoleInput!"}),
}


async def act(client: Client, field: str, variables: dict[str, Any] | None = None, **who: Any) -> Any:
    """What a mutation answers."""
    return (await client.ask(OPERATIONS[field], variables or {}, **who))[field]


async def mails_to(client: Client, address: str) -> list[Mail]:
    async with client.store.read() as session:
        return list(await session.scalars(select(Mail).where(Mail.recipient == address).order_by(Mail.created_at)))


async def link_to(client: Client, address: str, kind: str) -> str:
    """The token of the last link to an address, once it was sent as the worker does."""
    async with client.store.unit_of_work() as session:
        mails = await session.scalars(
            select(Mail).where(Mail.recipient == address, Mail.kind == kind).order_by(Mail.created_at.desc())
        )
        mail = mails.first()
        assert mail is not None, f"no mail {kind} to {address}"
        if kind == "reset":
            mail.account_id = await session.scalar(select(Account.id).where(Account.email == address))
    return KEYS.token(kind, mail.id)


async def test_an_account_begins_when_its_address_is_confirmed(user_database_url: str) -> None:
    async with identity_client(user_database_url, registration_confirmed=True) as client:
        address = new_address()
        answer = await answer_to_register(client, {"email": address})
        assert answer == {"__typename": "RegisterSuccess", "account": None}
        assert (await login(client, address))["__typename"] == "UnauthenticatedError"
        token = await link_to(client, address, "registration")
        for wrong in ("", "x", token + "x", token[:-1], KEYS.token("reset", (await mails_to(client, address))[0].id)):
            assert (await act(client, "verifyEmail", {"token": wrong}))["__typename"] == "ValidationError", wrong
        done = await act(client, "verifyEmail", {"token": token})
        assert done["__typename"] == "VerifyEmailSuccess"
        assert (await act(client, "verifyEmail", {"token": token}))["__typename"] == "ValidationError", "good once"
        assert (await login(client, address))["__typename"] == "LoginSuccess"
        async with client.store.read() as session:
            account = await session.get(Account, from_global_id("Account", done["account"]["id"]))
        assert account is not None
        assert account.email_verified_at is not None
        assert [mail.password_hash for mail in await mails_to(client, address)] == [None]


async def test_registration_and_reset_answer_alike_for_known_and_unknown_addresses(user_database_url: str) -> None:
    async with identity_client(user_database_url) as client:
        _, known = await register(client)
    unknown = new_address()
    async with identity_client(user_database_url, registration_confirmed=True) as client:
        for field in ("register", "requestPasswordReset"):
            answers, statements = [], []
            for address in (known, unknown):
                with client.counting() as sent:
                    if field == "register":
                        answers.append(await answer_to_register(client, {"email": address}))
                    else:
                        answers.append(await act(client, field, {"email": address}))
                statements.append(sent)
            assert answers[0] == answers[1]
            assert statements[0] == statements[1], "the same is done for both"
        assert {mail.kind for mail in await mails_to(client, unknown)} == {"registration", "reset"}


async def test_a_registration_for_a_taken_address_ends_at_its_link(user_database_url: str) -> None:
    async with identity_client(user_database_url, registration_confirmed=True) as client:
        address = new_address()
        for _ in range(2):
            await answer_to_register(client, {"email": address})
        tokens = [KEYS.token("registration", mail.id) for mail in await mails_to(client, address)]
        kinds = [(await act(client, "verifyEmail", {"token": token}))["__typename"] for token in tokens]
        assert kinds == ["VerifyEmailSuccess", "ConflictError"]


async def test_links_end(user_database_url: str) -> None:
    async with identity_client(user_database_url, registration_confirmed=True) as client:
        address = new_address()
        await answer_to_register(client, {"email": address})
        token = await link_to(client, address, "registration")
        async with client.store.unit_of_work() as session:
            await session.execute(update(Mail).values(expires_at=Mail.created_at).where(Mail.recipient == address))
        assert (await act(client, "verifyEmail", {"token": token}))["__typename"] == "ValidationError"


async def test_one_address_gets_only_so_many_mails_an_hour(user_database_url: str) -> None:
    async with identity_client(user_database_url, mails_per_address=2) as client:
        address = new_address()
        kinds = [
            (await act(client, "requestPasswordReset", {"email": address}, addr=f"192.0.2.{n}"))["__typename"]
            for n in range(3)
        ]
        assert kinds == ["RequestPasswordResetSuccess"] * 2 + ["ThrottledError"]
        assert len(await mails_to(client, address)) == 2


async def test_a_lost_password_is_replaced_by_a_link_that_is_good_once(identity: Client) -> None:
    account_id, address = await register(identity)
    before = (await login(identity, address))["token"]
    await act(identity, "requestPasswordReset", {"email": address.upper()})
    token = await link_to(identity, address, "reset")

    async def reset(password: str) -> Any:
        return await act(identity, "resetPassword", {"input": {"token": token, "newPassword": password}})

    weak = await reset("short")
    assert [field["path"] for field in weak["fields"]] == [["newPassword"]]
    assert (await reset(OTHER_PASSWORD))["__typename"] == "ResetPasswordSuccess"
    assert (await reset(OTHER_PASSWORD + "!"))["__typename"] == "ValidationError"
    assert await verify(identity, before) == 404, "sessions of before have ended"
    assert (await login(identity, address))["__typename"] == "UnauthenticatedError"
    assert (await login(identity, address, OTHER_PASSWORD))["__typename"] == "LoginSuccess"
    assert [mail.kind for mail in await mails_to(identity, address)] == ["reset", "password_changed"]
    assert "account.reset_password" in {entry.action for entry in await audit_entries(identity, account_id)}


async def test_a_new_address_counts_when_confirmed_and_both_are_informed(identity: Client) -> None:
    _, address = await register(identity)
    who = await signed_in(identity, address)
    new = new_address()
    await act(identity, "requestPasswordReset", {"email": address})
    reset = await link_to(identity, address, "reset")
    assert (await act(identity, "changeEmail", {"newEmail": new}, **who))["__typename"] == "ChangeEmailSuccess"
    assert (await login(identity, new))["__typename"] == "UnauthenticatedError"
    done = await act(identity, "verifyEmail", {"token": await link_to(identity, new, "new_address")})
    assert done["__typename"] == "VerifyEmailSuccess"
    assert (await login(identity, new))["__typename"] == "LoginSuccess"
    assert (await login(identity, address))["__typename"] == "UnauthenticatedError"
    kinds = [mail.kind for mail in await mails_to(identity, address)]
    assert kinds == ["reset", "address_changing", "address_changed"]
    old_link = {"input": {"token": reset, "newPassword": OTHER_PASSWORD}}
    assert (await act(identity, "resetPassword", old_link))["__typename"] == "ValidationError"


async def test_a_taken_address_is_no_secret_only_from_who_reads_its_mail(identity: Client) -> None:
    _, taken = await register(identity)
    _, address = await register(identity)
    who = await signed_in(identity, address)
    assert (await act(identity, "changeEmail", {"newEmail": taken}, **who))["__typename"] == "ChangeEmailSuccess"
    token = await link_to(identity, taken, "new_address")
    assert (await act(identity, "verifyEmail", {"token": token}))["__typename"] == "ConflictError"


@pytest.mark.parametrize("field", ["closeAccount", "exportAccount", "changeEmail"])
async def test_what_is_dangerous_needs_a_proof_of_late(identity: Client, field: str) -> None:
    _, address = await register(identity)
    who = await signed_in(identity, address)
    variables = {"newEmail": new_address()} if field == "changeEmail" else {}
    async with identity.store.unit_of_work() as session:
        old = AccountSession.created_at - (AccountSession.expires_at - AccountSession.created_at)
        await session.execute(
            update(AccountSession).values(proved_at=old).where(AccountSession.id == who["session_id"])
        )
    assert (await act(identity, field, variables, **who))["__typename"] == "ProofNeededError"
    key = {"account_id": who["account_id"], "session_id": UUID(int=7)}
    assert (await act(identity, field, variables, **key))["__typename"] == "ProofNeededError", "no session"


async def test_a_closed_account_may_be_kept_for_some_days(identity: Client) -> None:
    _, address = await register(identity)
    who = await signed_in(identity, address)
    closed = await act(identity, "closeAccount", **who)
    assert closed["account"]["closesAt"] is not None
    assert await act(identity, "closeAccount", **who) == closed, "twice is once"
    assert (await login(identity, address))["__typename"] == "LoginSuccess"
    kept = await act(identity, "keepAccount", **who)
    assert kept["account"]["closesAt"] is None
    assert [mail.kind for mail in await mails_to(identity, address)] == ["closing", "kept"]


async def test_the_publisher_of_the_platforms_agents_is_not_closed(identity: Client) -> None:
    await register(identity, "agents@botberi.dev")
    who = await signed_in(identity, "agents@botberi.dev")
    assert (await act(identity, "closeAccount", **who))["__typename"] == "ForbiddenError"


async def test_an_export_is_asked_for_once_and_read_by_its_owner_alone(identity: Client) -> None:
    account_id, address = await register(identity)
    who = await signed_in(identity, address)
    asked = await act(identity, "exportAccount", **who)
    assert asked["dataExport"]["url"] is None
    assert (await act(identity, "exportAccount", **who))["__typename"] == "ConflictError"
    async with identity.store.unit_of_work() as session:
        row = await session.get_one(DataExport, from_global_id("DataExport", asked["dataExport"]["id"]))
        row.storage_key, row.finished_at, row.size_bytes = "exports/x.json", row.created_at, 7
    exports = "{ me { dataExports { id sizeBytes url } } }"
    [export] = (await identity.ask(exports, **who))["me"]["dataExports"]
    assert export["sizeBytes"] == 7
    assert "/artifacts/" in export["url"]
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Account { dataExports { id } } } }"
    other = {"r": [{"__typename": "Account", "id": to_global_id("Account", account_id)}]}
    error = await identity.fail(query, other, account_id=UUID(int=9), role="admin")
    assert error["extensions"]["code"] == "FORBIDDEN"


async def test_an_invitation_opens_registration_for_its_address_alone(user_database_url: str) -> None:
    async with identity_client(user_database_url, registration_open=False) as client:
        address = new_address()
        admin = {"account_id": UUID(int=3), "session_id": UUID(int=4), "role": "admin"}
        given = {"input": {"email": address}}
        assert (await act(client, "inviteAccount", given, **{**admin, "role": "user"}))[
            "__typename"
        ] == "ForbiddenError"
        assert (await act(client, "inviteAccount", given, **admin))["__typename"] == "InviteAccountSuccess"
        invitation = await link_to(client, address, "invitation")
        assert (await answer_to_register(client, {"email": address}))["__typename"] == "ForbiddenError"
        for email, token, kind in (
            (new_address(), invitation, "ValidationError"),
            (address, invitation + "x", "ValidationError"),
            (address, invitation, "RegisterSuccess"),
            (address, invitation, "ValidationError"),
        ):
            answer = await answer_to_register(client, {"email": email, "invitation": token})
            assert answer["__typename"] == kind, answer
        assert (await login(client, address))["__typename"] == "LoginSuccess"


@pytest.fixture
async def admin(identity: Client) -> dict[str, Any]:
    """Claims of an admin who signed in just now."""
    account_id, address = await register(identity)
    async with identity.store.unit_of_work() as session:
        await session.execute(update(Account).values(role="admin").where(Account.id == account_id))
    return {**await signed_in(identity, address), "role": "admin"}


async def test_admins_find_suspend_and_reinstate_accounts(identity: Client, admin: dict[str, Any]) -> None:
    account_id, address = await register(identity)
    token = (await login(identity, address))["token"]
    global_id = to_global_id("Account", account_id)
    listing = "query ($f: AccountFilter) { accounts(filter: $f) { totalCount nodes { id email suspensionReason } } }"
    found = (await identity.ask(listing, {"f": {"search": address[2:20].upper()}}, **admin))["accounts"]
    assert [node["email"] for node in found["nodes"]] == [address]
    assert (await identity.fail(listing, {"f": {}}, account_id=account_id))["extensions"]["code"] == "FORBIDDEN"
    assert (await identity.ask(listing, {"f": {"search": "%"}}, **admin))["accounts"]["totalCount"] == 0

    spam = {"input": {"accountId": global_id, "reason": "Spam"}}
    assert (await act(identity, "suspendAccount", spam, account_id=account_id))["__typename"] == "ForbiddenError"
    assert (await act(identity, "suspendAccount", spam, **admin))["__typename"] == "SuspendAccountSuccess"
    assert await verify(identity, token) == 404
    assert (await login(identity, address))["__typename"] == "UnauthenticatedError"
    suspended = (await identity.ask(listing, {"f": {"isSuspended": True, "search": address}}, **admin))["accounts"]
    assert [node["suspensionReason"] for node in suspended["nodes"]] == ["Spam"]
    assert (await act(identity, "reinstateAccount", {"id": global_id}, **admin))["__typename"] == (
        "ReinstateAccountSuccess"
    )
    assert (await login(identity, address))["__typename"] == "LoginSuccess"
    assert [mail.kind for mail in await mails_to(identity, address)] == ["suspended", "reinstated"]
    actions = {entry.action: entry.actor_id for entry in await audit_entries(identity, account_id)}
    assert actions["account.suspend"] == actions["account.reinstate"] == admin["account_id"]


async def test_a_role_ends_the_sessions_that_had_the_former(identity: Client, admin: dict[str, Any]) -> None:
    account_id, address = await register(identity)
    token = (await login(identity, address))["token"]
    given = {"input": {"accountId": to_global_id("Account", account_id), "role": "CURATOR"}}
    assert (await act(identity, "setAccountRole", given, **admin))["__typename"] == "SetAccountRoleSuccess"
    assert await verify(identity, token) == 404
    fresh = await verify(identity, (await login(identity, address))["token"])
    assert fresh["role"] == "curator"
    assert "catalog:write" in fresh["scopes"]
    own = {"input": {"accountId": to_global_id("Account", admin["account_id"]), "role": "USER"}}
    assert (await act(identity, "setAccountRole", own, **admin))["__typename"] == "ForbiddenError"


async def test_admins_end_all_sessions_of_an_account(identity: Client, admin: dict[str, Any]) -> None:
    account_id, address = await register(identity)
    token = (await login(identity, address))["token"]
    given = {"id": to_global_id("Account", account_id)}
    assert (await act(identity, "endAccountSessions", given, **admin))["__typename"] == "EndAccountSessionsSuccess"
    assert await verify(identity, token) == 404
