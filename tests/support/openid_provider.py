"""A small OpenID Connect provider: everybody who comes is signed in at once, and PKCE and codes are checked."""

import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote_plus, urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT_ID, CLIENT_SECRET = "botberi", "a secret of the tests' provider"


class OpenIdProvider:
    """`person` signs in; `claims` replace what its ID tokens say, `key` signs them."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = self.new_key()
        self.published = [self.key]
        self.person: dict[str, Any] = {"sub": "ada-1", "email": "ada@corp.example", "email_verified": True}
        self.claims: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.requests: list[str] = []

    @staticmethod
    def new_key() -> ECKey:
        return ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig", "alg": "ES256"}, private=True)

    def settings(self) -> list[dict[str, str]]:
        """As `BOTBERI_OIDC_PROVIDERS` has it."""
        client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return [{"id": "corp", "name": "Corp", "issuer": self.issuer, **client}]

    async def authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        raise web.HTTPFound(f"{asked['redirect_uri']}?{back}")

    async def token(self, request: web.Request) -> web.Response:
        given = await request.post()
        asked = self.codes.pop(str(given.get("code")), None)
        basic = base64.b64encode(f"{CLIENT_ID}:{quote_plus(CLIENT_SECRET)}".encode()).decode()
        digest = hashlib.sha256(str(given.get("code_verifier")).encode()).digest()
        verified = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or verified != asked["code_challenge"]
            or given.get("redirect_uri") != asked["redirect_uri"]
            or request.headers.get("authorization", "").removeprefix("Basic ") != basic
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        claims = {**usual, **self.person, **self.claims}
        header = {"alg": "ES256", "kid": self.key.kid}
        return web.json_response({"token_type": "Bearer", "id_token": jwt.encode(header, claims, self.key)})

    async def document(self, _: web.Request) -> web.Response:
        places = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "jwks_uri": "/jwks",
        }
        return web.json_response(
            {"issuer": self.issuer, **{name: self.issuer + place for name, place in places.items()}}
        )

    async def jwks(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [key.as_dict(private=False) for key in self.published]})


@asynccontextmanager
async def openid_provider() -> AsyncIterator[OpenIdProvider]:
    """The provider, on a port of this machine."""
    provider = OpenIdProvider()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.document)
    app.router.add_get("/authorize", provider.authorize)
    app.router.add_post("/token", provider.token)
    app.router.add_get("/jwks", provider.jwks)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    provider.issuer = f"http://127.0.0.1:{port}"
    try:
        yield provider
    finally:
        await runner.cleanup()
