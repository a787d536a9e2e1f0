"""The identity subgraph as clients meet it: an app with short hashes, and the mutations that tests of sign-in send."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from sqlalchemy import select

from shared_schema.ids import from_global_id, new_id
from shared_schema.models import AuditEntry
from subgraphs.identity.app import create_app
from tests.subgraphs.conftest import Client, identity_settings
from tests.support.assertions import Signer

PASSWORD = "correct horse battery"
WRONG = "wrong horse battery"

REGISTER = """mutation ($input: RegisterInput!) { register(input: $input) { __typename
  ... on RegisterSuccess { account { id displayName } } ... on Error { message }
  ... on ValidationError { fields { path message } } ... on ThrottledError { retryAfterSeconds } } }"""
LOGIN = """mutation ($input: LoginInput!) { login(input: $input) { __typename
  ... on LoginSuccess { token } ... on Error { message } ... on ThrottledError { retryAfterSeconds } } }"""
CHANGE_PASSWORD = """mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { __typename
  ... on ChangePasswordSuccess { token } ... on Error { message }
  ... on ValidationError { fields { path message } } ... on ThrottledError { retryAfterSeconds } } }"""


@asynccontextmanager
async def identity_client(url: str, **settings: Any) -> AsyncIterator[Client]:
    """Identity with these settings."""
    signer = Signer()
    app = create_app(identity_settings(url, **settings), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        yield client


def new_address() -> str:
    """An e-mail address that no test had before."""
    return f"u{new_id().hex}@example.com"


async def register(client: Client, email: str | None = None, **who: Any) -> tuple[UUID, str]:
    """A new account and its address."""
    email = email or new_address()
    made = await answer_to_register(client, {"email": email}, **who)
    assert made["__typename"] == "RegisterSuccess", made
    return from_global_id("Account", made["account"]["id"]), email


async def answer_to_register(client: Client, change: dict[str, str], **who: Any) -> Any:
    """What `register` answers."""
    given = {"email": new_address(), "password": PASSWORD, "displayName": "Ada", **change}
    return (await client.ask(REGISTER, {"input": given}, **who))["register"]


def from_address(text: str) -> dict[str, str]:
    """The claim of a request from an address, in the form that the gateway gives it."""
    return {"addr": str(ip_address(text))}


async def login(client: Client, email: str, password: str = PASSWORD, **who: Any) -> Any:
    """What `login` answers; `who` may have `addr`, `agent` and `device`."""
    return (await client.ask(LOGIN, {"input": {"email": email, "password": password}}, **who))["login"]


async def logins(client: Client, email: str, password: str, times: int, **who: Any) -> list[str]:
    """Kinds of what `times` equal sign-ins answer, one after the other."""
    return [(await login(client, email, password, **who))["__typename"] for _ in range(times)]


async def verify(client: Client, credential: str, kind: str = "bearer") -> Any:
    """What identity tells the gateway of a credential, or the status."""
    path, body = "/internal/verify", f'{{"credential": "{credential}", "kind": "{kind}"}}'.encode()
    token = client.signer.token("identity", path=path, request_body=body, sub="gateway")
    headers = [("botberi-assertion", token), ("content-type", "application/json")]
    answer = await client.request("POST", path, headers=headers, body=body)
    return answer.json() if answer.status == 200 else answer.status


async def signed_in(client: Client, email: str, **who: Any) -> dict[str, Any]:
    """Claims of requests with the session of a new sign-in."""
    token = (await login(client, email, **who))["token"]
    found = await verify(client, token)
    return {"account_id": UUID(found["account_id"]), "session_id": UUID(found["session_id"])}


async def audit_entries(client: Client, object_id: UUID) -> list[AuditEntry]:
    """What the audit log says about an object, oldest first."""
    async with client.store.read() as session:
        found = select(AuditEntry).where(AuditEntry.object_id == object_id).order_by(AuditEntry.occurred_at)
        return list(await session.scalars(found))
