"""Identity's mutations over HTTP: each success, and each way to be refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from shared_schema.ids import from_global_id, new_id, to_global_id
from shared_schema.models import Account, AccountSession, ApiKey, AuditEntry
from subgraphs.identity.app import create_app
from tests.subgraphs.conftest import Client, identity_settings

PASSWORD = "correct horse battery"

REGISTER = """mutation ($input: RegisterInput!) { register(input: $input) { __typename
  ... on RegisterSuccess { account { id displayName createdAt } }
  ... on Error { message } ... on ValidationError { fields { path message } } } }"""
LOGIN = """mutation ($input: LoginInput!) { login(input: $input) { __typename
  ... on LoginSuccess { token expiresAt account { id displayName } } ... on Error { message }
  ... on ThrottledError { retryAfterSeconds } } }"""
LOGOUT = "mutation { logout { __typename ... on LogoutSuccess { session { id revokedAt } } ... on Error { message } } }"
CREATE_KEY = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { __typename
  ... on CreateApiKeySuccess { secret apiKey { id name prefix scopes expiresAt revokedAt } }
  ... on Error { message } ... on ValidationError { fields { path message } } } }"""
REVOKE_KEY = """mutation ($id: ID!) { revokeApiKey(id: $id) { __typename
  ... on RevokeApiKeySuccess { apiKey { id revokedAt } } ... on Error { message } } }"""
REVOKE_SESSION = """mutation ($id: ID!) { revokeSession(id: $id) { __typename
  ... on RevokeSessionSuccess { session { id revokedAt } } ... on Error { message } } }"""
CHANGE_PASSWORD = """mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { __typename
  ... on ChangePasswordSuccess { account { id } token expiresAt } ... on Error { message }
  ... on ValidationError { fields { path message } } } }"""


async def register(client: Client, name: str = "Ada") -> tuple[Any, str]:
    """A new account: its row id and address."""
    email = f"u{new_id().hex}@example.com"
    given = {"email": email, "password": PASSWORD, "displayName": name}
    data = await client.ask(REGISTER, {"input": given})
    assert data["register"]["__typename"] == "RegisterSuccess", data
    return from_global_id("Account", data["register"]["account"]["id"]), email


async def login(client: Client, email: str, password: str = PASSWORD) -> Any:
    data = await client.ask(LOGIN, {"input": {"email": email, "password": password}})
    return data["login"]


async def verify(client: Client, credential: str, kind: str = "bearer", **claims: Any) -> Any:
    body = f'{{"credential": "{credential}", "kind": "{kind}"}}'.encode()
    bound: Any = {"path": "/internal/verify", "request_body": body}
    token = client.signer.token("identity", **{"sub": "gateway", **bound, **claims})
    answer = await client.request(
        "POST",
        "/internal/verify",
        headers=[("botberi-assertion", token), ("content-type", "application/json")],
        body=body,
    )
    return answer.json() if answer.status == 200 else answer.status


async def test_register_keeps_only_a_hash_and_writes_an_audit_entry(identity: Client) -> None:
    account_id, email = await register(identity)
    async with identity.store.read() as session:
        row = await session.get_one(Account, account_id)
        entries = (await session.scalars(select(AuditEntry).where(AuditEntry.object_id == account_id))).all()
    assert row.email == email
    assert row.password_hash.startswith("$argon2id$")
    assert PASSWORD not in row.password_hash
    assert [entry.action for entry in entries] == ["account.register"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"email": "no-address"}, ["email"]),
        ({"email": ""}, ["email"]),
        ({"email": "a@b@c.example"}, ["email"]),
        ({"email": "a" * 300 + "@example.com"}, ["email"]),
        ({"password": "short"}, ["password"]),
        ({"password": "x" * 257}, ["password"]),
        ({"password": "aaaaaaaaaaaaaaaa"}, ["password"]),
        ({"password": "Grace.Hopper@example.com"}, ["password"]),
        ({"displayName": "  "}, ["displayName"]),
        ({"displayName": "x" * 121}, ["displayName"]),
        ({"displayName": "a\nb"}, ["displayName"]),
    ],
)
async def test_register_names_what_is_wrong(identity: Client, change: dict[str, str], path: list[str]) -> None:
    given = {"email": "grace.hopper@example.com", "password": PASSWORD, "displayName": "Grace", **change}
    answer = (await identity.ask(REGISTER, {"input": given}))["register"]
    assert answer["__typename"] == "ValidationError"
    assert [field["path"] for field in answer["fields"]] == [path]


async def test_an_address_is_taken_however_it_is_written(identity: Client) -> None:
    _, email = await register(identity)
    given = {"email": f" {email.upper()}", "password": PASSWORD, "displayName": "Ada"}
    assert (await identity.ask(REGISTER, {"input": given}))["register"]["__typename"] == "ConflictError"


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("{}\N{LATIN SMALL LIGATURE FI}@example.com", "{}fi@example.com"),
        ("{}\N{FULLWIDTH LATIN SMALL LETTER A}@example.com", "{}A@example.com"),
        ("{}@xn--bcher-kva.example", "{}@b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example"),
        ("{}@b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", "{}@bu\N{COMBINING DIAERESIS}cher.example"),
    ],
    ids=["ligature", "full width", "punycode", "decomposed"],
)
async def test_an_account_is_signed_in_to_however_its_address_is_written(
    identity: Client, typed: str, same: str
) -> None:
    name = f"u{new_id().hex}"
    given = {"email": typed.format(name), "password": PASSWORD, "displayName": "Ada"}
    made = (await identity.ask(REGISTER, {"input": given}))["register"]["account"]["id"]
    for text in (typed, same):
        answer = await identity.post(LOGIN, {"input": {"email": text.format(name), "password": PASSWORD}})
        assert answer.json()["data"]["login"]["account"]["id"] == made


async def test_registration_may_be_closed(user_database_url: str, signer: Any) -> None:
    app = create_app(identity_settings(user_database_url, registration_open=False), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        given = {"email": "a@example.com", "password": PASSWORD, "displayName": "Ada"}
        assert (await client.ask(REGISTER, {"input": given}))["register"]["__typename"] == "ForbiddenError"


async def test_login_sets_the_cookie_and_its_token_verifies(identity: Client) -> None:
    account_id, email = await register(identity)
    answer = await identity.post(LOGIN, {"input": {"email": f" {email.upper()} ", "password": PASSWORD}})
    made = answer.json()["data"]["login"]
    assert made["__typename"] == "LoginSuccess"
    cookie, device = answer.all("set-cookie")
    assert cookie.startswith(f"botberi_session={made['token']}; Max-Age=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert device.startswith("botberi_device=bbd_")
    assert device.endswith("; Path=/; HttpOnly; SameSite=Strict")
    for kind in ("cookie", "bearer"):
        found = await verify(identity, made["token"], kind)
        assert found["account_id"] == str(account_id)
        assert found["role"] == "user"
        assert found["scopes"] == ["account:read", "account:write", "instances:read", "instances:write"]
    async with identity.store.read() as session:
        rows = (await session.scalars(select(AccountSession).where(AccountSession.account_id == account_id))).all()
    assert made["token"].encode() not in rows[0].token_hash


async def test_the_cookie_is_secure_where_the_setting_says_so(user_database_url: str, signer: Any) -> None:
    app = create_app(identity_settings(user_database_url, session_cookie_secure=True), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        _, email = await register(client)
        answer = await client.post(LOGIN, {"input": {"email": email, "password": PASSWORD}})
        assert "; Secure" in answer.all("set-cookie")[0]


async def test_wrong_password_and_unknown_address_answer_alike(identity: Client) -> None:
    account_id, email = await register(identity)
    wrong = await login(identity, email, "wrong horse battery")
    unknown = await login(identity, f"u{new_id().hex}@example.com")
    assert wrong == unknown
    assert wrong["__typename"] == "UnauthenticatedError"
    async with identity.store.read() as session:
        found = select(AuditEntry.outcome).where(AuditEntry.object_id == account_id)
        outcomes = (await session.scalars(found.order_by(AuditEntry.occurred_at))).all()
    assert outcomes == ["SUCCESS", "FAILURE"]


async def test_a_disabled_account_cannot_sign_in_and_its_credentials_die(identity: Client) -> None:
    account_id, email = await register(identity)
    token = (await login(identity, email))["token"]
    async with identity.store.unit_of_work() as session:
        row = await session.get_one(Account, account_id)
        row.disabled_at = row.created_at
    assert (await login(identity, email))["__typename"] == "UnauthenticatedError"
    assert await verify(identity, token) == 404


async def test_an_address_waits_after_too_many_wrong_passwords(user_database_url: str, signer: Any) -> None:
    app = create_app(identity_settings(user_database_url, sign_in_attempts=3), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        _, email = await register(client)
        tries = [(await login(client, email, "wrong horse battery"))["__typename"] for _ in range(5)]
        assert tries == ["UnauthenticatedError"] * 3 + ["ThrottledError"] * 2
        waiting = await login(client, email)
        assert waiting["__typename"] == "ThrottledError"
        assert 1 <= waiting["retryAfterSeconds"] <= 30
        # An address without an account waits just the same, and others don't.
        unknown = f"u{new_id().hex}@example.com"
        tries = [(await login(client, unknown))["__typename"] for _ in range(4)]
        assert tries == ["UnauthenticatedError"] * 3 + ["ThrottledError"]
        _, other = await register(client)
        assert (await login(client, other))["__typename"] == "LoginSuccess"


async def test_a_hundred_aliases_in_one_request_count_as_a_hundred(user_database_url: str, signer: Any) -> None:
    app = create_app(identity_settings(user_database_url, sign_in_attempts=3), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        _, email = await register(client)
        one = f'login(input: {{email: "{email}", password: "wrong horse battery"}}) {{ __typename }}'
        data = await client.ask("mutation {" + " ".join(f"a{n}: {one}" for n in range(50)) + "}")
        kinds = [each["__typename"] for each in data.values()]
        assert kinds == ["UnauthenticatedError"] * 3 + ["ThrottledError"] * 47


async def test_a_right_password_forgets_the_wrong_ones(user_database_url: str, signer: Any) -> None:
    app = create_app(identity_settings(user_database_url, sign_in_attempts=3), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        _, email = await register(client)
        for _ in range(3):
            await login(client, email, "wrong horse battery")
            assert (await login(client, email))["__typename"] == "LoginSuccess"


async def test_an_old_hash_is_renewed_at_the_next_sign_in(user_database_url: str, signer: Any) -> None:
    async with Client(
        create_app(identity_settings(user_database_url), jwks=signer.jwks()), "identity", signer
    ) as client:
        account_id, email = await register(client)
    stronger = identity_settings(user_database_url).model_copy(update={"password_time_cost": 2})
    async with Client(create_app(stronger, jwks=signer.jwks()), "identity", signer) as client:
        assert (await login(client, email))["__typename"] == "LoginSuccess"
        async with client.store.read() as session:
            assert ",t=2," in (await session.get_one(Account, account_id)).password_hash
        assert (await login(client, email))["__typename"] == "LoginSuccess"


async def test_logout_ends_the_session_and_drops_the_cookie(identity: Client) -> None:
    account_id, email = await register(identity)
    token = (await login(identity, email))["token"]
    session_id = (await verify(identity, token))["session_id"]
    answer = await identity.post(LOGOUT, account_id=account_id, session_id=session_id)
    assert answer.json()["data"]["logout"]["session"]["revokedAt"]
    assert answer.all("set-cookie") == ["botberi_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"]
    assert await verify(identity, token) == 404
    assert (await identity.ask(LOGOUT))["logout"]["__typename"] == "UnauthenticatedError"


def later(**since_now: float) -> str:
    return (datetime.now(UTC) + timedelta(**since_now)).isoformat()


async def test_an_api_key_is_shown_once_verifies_and_dies(identity: Client) -> None:
    account_id, _ = await register(identity)
    given = {"name": " ci ", "scopes": ["instances:read"], "expiresAt": later(days=30)}
    made = (await identity.ask(CREATE_KEY, {"input": given}, account_id=account_id))["createApiKey"]
    key, secret = made["apiKey"], made["secret"]
    assert key["name"] == "ci"
    assert key["scopes"] == ["instances:read"]
    assert secret.startswith(key["prefix"])
    found = await verify(identity, secret)
    assert found["scopes"] == ["instances:read"]
    assert found["session_id"] == str(from_global_id("ApiKey", key["id"]))
    assert await verify(identity, secret, "cookie") == 404
    assert await verify(identity, secret[:-1] + ("0" if secret[-1] != "0" else "1")) == 404
    gone = await identity.ask(REVOKE_KEY, {"id": key["id"]}, account_id=account_id)
    assert gone["revokeApiKey"]["apiKey"]["revokedAt"]
    assert await verify(identity, secret) == 404
    again = await identity.ask(REVOKE_KEY, {"id": key["id"]}, account_id=account_id)
    assert again == gone


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"name": "", "scopes": ["instances:read"]}, ["name"]),
        ({"name": "k", "scopes": []}, ["scopes"]),
        ({"name": "k", "scopes": ["instances:read", "account:write"]}, ["scopes", "1"]),
        ({"name": "k", "scopes": ["catalog:write"]}, ["scopes", "0"]),
        ({"name": "k", "scopes": ["anything"]}, ["scopes", "0"]),
        ({"name": "k", "scopes": ["instances:read"] * 33}, ["scopes"]),
        ({"name": "k", "expiresAt": "2001-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"name": "k", "expiresAt": "2999-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"name": "k", "allowedNetworks": ["192.0.2.0/24", "192.0.2.1/24"]}, ["allowedNetworks", "1"]),
        ({"name": "k", "allowedNetworks": ["192.0.2.1"] * 21}, ["allowedNetworks"]),
    ],
)
async def test_create_api_key_names_what_is_wrong(identity: Client, given: Any, path: list[str]) -> None:
    made = (await identity.ask(CREATE_KEY, {"input": given}, account_id=new_id()))["createApiKey"]
    assert made["__typename"] == "ValidationError"
    assert [field["path"] for field in made["fields"]] == [path]


async def test_a_key_gets_by_default_what_a_key_may_have(identity: Client) -> None:
    account_id, _ = await register(identity)
    made = await identity.ask(CREATE_KEY, {"input": {"name": "k"}}, account_id=account_id, role="admin")
    scopes = made["createApiKey"]["apiKey"]["scopes"]
    assert scopes == ["account:read", "catalog:write", "instances:read", "instances:write"]
    # The account is no admin in the database, so the key is none either.
    found = await verify(identity, made["createApiKey"]["secret"])
    assert found["role"] == "user"
    assert "catalog:write" not in found["scopes"]


async def test_an_account_has_only_so_many_keys(user_database_url: str, signer: Any) -> None:
    app = create_app(identity_settings(user_database_url, api_keys_per_account=2), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        account_id, _ = await register(client)
        kinds = []
        for _ in range(3):
            made = await client.ask(CREATE_KEY, {"input": {"name": "k"}}, account_id=account_id)
            kinds.append(made["createApiKey"]["__typename"])
        assert kinds == ["CreateApiKeySuccess", "CreateApiKeySuccess", "ConflictError"]


async def test_an_expired_key_does_not_verify(identity: Client) -> None:
    account_id, _ = await register(identity)
    made = (await identity.ask(CREATE_KEY, {"input": {"name": "k"}}, account_id=account_id))["createApiKey"]
    async with identity.store.unit_of_work() as session:
        key = await session.get_one(ApiKey, from_global_id("ApiKey", made["apiKey"]["id"]))
        key.created_at = key.created_at.replace(year=2001)
        key.expires_at = key.created_at.replace(year=2002)
    assert await verify(identity, made["secret"]) == 404


async def test_what_is_anothers_is_not_found(identity: Client) -> None:
    account_id, email = await register(identity)
    made = (await identity.ask(CREATE_KEY, {"input": {"name": "k"}}, account_id=account_id))["createApiKey"]
    token = (await login(identity, email))["token"]
    session_id = to_global_id("Session", (await verify(identity, token))["session_id"])
    for mutation, field, id in (
        (REVOKE_KEY, "revokeApiKey", made["apiKey"]["id"]),
        (REVOKE_SESSION, "revokeSession", session_id),
    ):
        for who in ({"account_id": new_id()}, {"account_id": new_id(), "role": "admin"}):
            assert (await identity.ask(mutation, {"id": id}, **who))[field]["__typename"] == "NotFoundError"
        bad = (await identity.ask(mutation, {"id": "nonsense"}, account_id=account_id))[field]
        assert bad["__typename"] == "ValidationError"
    assert await verify(identity, token) != 404
    assert await verify(identity, made["secret"]) != 404


async def test_revoke_session_ends_one_session(identity: Client) -> None:
    account_id, email = await register(identity)
    kept, ended = (await login(identity, email))["token"], (await login(identity, email))["token"]
    session_id = to_global_id("Session", (await verify(identity, ended))["session_id"])
    data = await identity.ask(REVOKE_SESSION, {"id": session_id}, account_id=account_id)
    assert data["revokeSession"]["session"]["revokedAt"]
    assert await verify(identity, ended) == 404
    assert (await verify(identity, kept))["account_id"] == str(account_id)


async def test_changing_the_password_ends_other_sessions(identity: Client) -> None:
    account_id, email = await register(identity)
    kept, ended = (await login(identity, email))["token"], (await login(identity, email))["token"]
    session_id = (await verify(identity, kept))["session_id"]
    who = {"account_id": account_id, "session_id": session_id}
    for current, new, path in (
        ("wrong horse battery", "another horse battery", ["currentPassword"]),
        (PASSWORD, "short", ["newPassword"]),
    ):
        given = {"currentPassword": current, "newPassword": new}
        answer = (await identity.ask(CHANGE_PASSWORD, {"input": given}, **who))["changePassword"]
        assert [field["path"] for field in answer["fields"]] == [path]
    given = {"currentPassword": PASSWORD, "newPassword": "another horse battery"}
    answer = (await identity.ask(CHANGE_PASSWORD, {"input": given}, **who))["changePassword"]
    assert answer["__typename"] == "ChangePasswordSuccess"
    assert await verify(identity, ended) == 404
    assert await verify(identity, kept) == 404
    assert (await verify(identity, answer["token"]))["session_id"] == session_id
    assert (await login(identity, email))["__typename"] == "UnauthenticatedError"
    assert (await login(identity, email, "another horse battery"))["__typename"] == "LoginSuccess"


async def test_an_account_has_only_so_many_sessions(user_database_url: str, signer: Any) -> None:
    app = create_app(identity_settings(user_database_url, sessions_per_account=2), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        account_id, email = await register(client)
        tokens = [(await login(client, email))["token"] for _ in range(3)]
        assert await verify(client, tokens[0]) == 404
        for token in tokens[1:]:
            assert (await verify(client, token))["account_id"] == str(account_id)
        # What ended long ago is forgotten at the next sign-in.
        async with client.store.unit_of_work() as session:
            rows = await session.scalars(select(AccountSession).where(AccountSession.account_id == account_id))
            for row in rows:
                row.revoked_at = row.created_at.replace(year=2001) if row.revoked_at else None
        await login(client, email)
        async with client.store.read() as session:
            rows = await session.scalars(select(AccountSession).where(AccountSession.account_id == account_id))
            assert len(rows.all()) == 3


async def test_a_session_ends_when_unused(identity: Client) -> None:
    account_id, email = await register(identity)
    token = (await login(identity, email))["token"]
    async with identity.store.unit_of_work() as session:
        rows = await session.scalars(select(AccountSession).where(AccountSession.account_id == account_id))
        row = rows.one()
        row.last_seen_at = row.last_seen_at.replace(year=2001)
    assert await verify(identity, token) == 404


async def test_use_is_noted_at_most_once_a_minute(identity: Client) -> None:
    account_id, _ = await register(identity)
    made = (await identity.ask(CREATE_KEY, {"input": {"name": "k"}}, account_id=account_id))["createApiKey"]
    with identity.counting() as statements:
        for _ in range(5):
            assert (await verify(identity, made["secret"]))["account_id"] == str(account_id)
    assert sum(statement.startswith("UPDATE") for statement in statements) == 1
    assert len(statements) == 6


async def test_verify_answers_only_the_gateway(identity: Client) -> None:
    assert await verify(identity, "bbs_" + "0" * 43) == 404
    assert await verify(identity, "x" * 513) == 400
    assert await verify(identity, "x", "form") == 400
    somebody = new_id()
    assert await verify(identity, "x", account_id=somebody, role="admin", sub=str(somebody)) == 401
    assert await verify(identity, "x", sub="anonymous") == 401
    assert await verify(identity, "x", aud="catalog") == 401
    answer = await identity.request("POST", "/internal/verify", body=b'{"credential":"x","kind":"bearer"}')
    assert answer.status == 401
