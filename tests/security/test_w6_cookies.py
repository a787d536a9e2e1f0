"""W6: the session's cookie can't be set by another host or read by a script, and one of two never wins silently."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from botberi.settings import GatewaySettings
from botberi.wiring import keys
from botberi.wiring.assertion import AssertionSigner
from botberi.wiring.auth import AssertionHeaders, PlatformAuthenticator
from botberi.wiring.verifier import Verifier
from botberi_gateway.transport.client import Client
from botberi_gateway.transport.identity import Identity
from botberi_gateway.transport.port import Unauthenticated
from shared_schema.contracts.assertion import HEADER
from subgraphs.identity.settings import IdentitySettings
from tests.support.identity import LOGIN, PASSWORD, identity_client, register

LOGOUT = "mutation { logout { __typename } }"


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("settings", "prefix", "secure"),
    [
        ({"env": "dev"}, "", ""),
        ({"env": "prod"}, "__Host-", "; Secure"),
        ({"session_cookie_secure": True}, "__Host-", "; Secure"),
    ],
    ids=["development", "production", "development over HTTPS"],
)
async def test_attributes(user_database_url: str, settings: dict[str, Any], prefix: str, secure: str) -> None:
    async with identity_client(user_database_url, **settings) as client:
        account_id, email = await register(client)
        answer = await client.post(LOGIN, {"input": {"email": email, "password": PASSWORD}})
        session, device = answer.all("set-cookie")
        ended = (await client.post(LOGOUT, account_id=account_id)).all("set-cookie")
    assert session.startswith(f"{prefix}botberi_session=bbs_")
    assert session.endswith(f"; Path=/; HttpOnly; SameSite=Lax{secure}")
    assert device.startswith(f"{prefix}botberi_device=bbd_")
    assert device.endswith(f"; Path=/; HttpOnly; SameSite=Strict{secure}")
    assert ended == [f"{prefix}botberi_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax{secure}"]
    assert "domain" not in (session + device).lower()


@pytest.mark.parametrize("kind", [IdentitySettings, GatewaySettings])
def test_production_refuses_cookies_that_are_not_secure(kind: Any) -> None:
    assert kind(env="prod").cookies_are_secure
    assert not kind(env="dev").cookies_are_secure
    with pytest.raises(ValidationError, match="BOTBERI_SESSION_COOKIE_SECURE"):
        kind(env="prod", session_cookie_secure=False)


class AsksIdentity:
    """Knows one session."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def post(self, path: str, body: Any, headers: Any) -> tuple[int, Any]:
        self.asked.append(body["credential"])
        account = "0198c0de-0000-7000-8000-000000000001"
        found = {"account_id": account, "role": "user", "scopes": [], "session_id": account}
        return (200, found) if body["credential"] == "good" else (404, None)

    async def aclose(self) -> None:
        pass


@asynccontextmanager
async def front(tmp_path: Any, *, secure: bool) -> AsyncIterator[tuple[Identity, AsksIdentity, AssertionSigner]]:
    """The gateway's reading of credentials, plugged as the platform does it."""
    signer, identity = AssertionSigner(keys.load_folder(tmp_path / "keys")), AsksIdentity()
    verifier = Verifier(identity, signer)
    yield Identity(PlatformAuthenticator(verifier, secure), AssertionHeaders(signer), (), {}), identity, signer
    await verifier.aclose()


@pytest.mark.parametrize(
    ("cookie", "secure", "signed_in"),
    [
        ("botberi_session=good", False, True),
        ("__Host-botberi_session=good", True, True),
        # Over HTTPS a cookie without the prefix may be another host's; in development one with it belongs to no
        # session.
        ("botberi_session=good", True, False),
        ("__Host-botberi_session=good", False, False),
        ("botberi_session=planted; __Host-botberi_session=good", True, True),
        ("botberi_session=good; theme=dark; botberi_session=good", False, True),
        ("theme=dark; theme=light; botberi_session=good", False, True),
        ('botberi_session="good"', False, True),
    ],
)
async def test_which_cookie_counts(tmp_path: Any, cookie: str, secure: bool, signed_in: bool) -> None:
    async with front(tmp_path, secure=secure) as (identity, _, _):
        caller = await identity.authenticate(identity.credentials({"cookie": cookie}, Client("192.0.2.1")))
        assert (caller is not None) == signed_in


@pytest.mark.parametrize(
    "cookie",
    [
        "botberi_session=good; botberi_session=planted",
        "botberi_session=planted; botberi_session=good",
        "botberi_session=good; theme=dark; botberi_session=",
        'botberi_session="good"; botberi_session=planted; botberi_session=good',
    ],
)
async def test_two_that_differ_are_refused_with_the_reason_and_neither_is_asked_about(
    tmp_path: Any, cookie: str
) -> None:
    async with front(tmp_path, secure=False) as (identity, asked, _):
        with pytest.raises(Unauthenticated, match="several cookies named botberi_session"):
            await identity.authenticate(identity.credentials({"cookie": cookie}, Client("192.0.2.1")))
        assert asked.asked == []


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
async def test_only_identity_hears_of_the_device_and_only_its_hash(tmp_path: Any) -> None:
    async with front(tmp_path, secure=False) as (identity, _, _):
        client = Client("192.0.2.1")
        headers = {"cookie": "botberi_device=bbd_secret; botberi_session=good"}
        caller = await identity.authenticate(identity.credentials(headers, client))
        context = identity.context(lambda: caller, headers, client)
        claims = {name: _claims(context.subgraph_headers(name)[HEADER.lower()]) for name in ("identity", "catalog")}
        assert len(claims["identity"]["device"]) == 64
        assert claims["catalog"]["device"] is None
        assert "bbd_secret" not in str(claims)


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims
