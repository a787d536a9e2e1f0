"""An OpenID Connect provider -> who signed in there: discovery, authorization code with PKCE, a checked ID token.

https://openid.net/specs/openid-connect-core-1_0.html; RFC 7636 (PKCE), RFC 9207 (`iss` of the answer). Nothing that a
provider answers is believed beyond what its ID token, signed by its keys for us and for this one sign-in, says.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from subgraphs.common.errors import Unavailable
from subgraphs.identity.settings import Provider

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_MAX_BYTES: Final = 256 * 1024
_KEPT_SECONDS: Final = 3600.0
#: Keys are asked for again for a signature by an unknown one, but not more often.
_MIN_KEPT_SECONDS: Final = 30.0
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LEEWAY_SECONDS: Final = 60


class ProviderRefused(Exception):
    """The provider's answer is not one of a sign-in that we began."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in at the provider."""

    issuer: str
    subject: str
    email: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """A sign-in that was begun: where the browser goes, and what has to be the same when it comes back."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(slots=True)
class _Known:
    document: Mapping[str, Any]
    keys: KeySet | None = None
    at: float = field(default_factory=time.monotonic)
    keys_at: float = 0.0


class OpenIdClient:
    """Speaks to the configured providers; what they publish is kept for an hour."""

    def __init__(self, redirect_uri: str) -> None:
        self._redirect_uri = redirect_uri
        self._known: dict[str, _Known] = {}

    async def begin(self, provider: Provider) -> Request:
        """The address of the provider's page. Raises `Unavailable`."""
        known = await self._discovered(provider)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = str(known.document["authorization_endpoint"])
        joint = "&" if urlsplit(endpoint).query else "?"
        return Request(f"{endpoint}{joint}{urlencode(query)}", state, nonce, verifier)

    async def finish(self, provider: Provider, code: str, nonce: str, verifier: str) -> Person:
        """Who the code is about. Raises `ProviderRefused`, or `Unavailable`."""
        known = await self._discovered(provider)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "client_id": provider.client_id,
            "code_verifier": verifier,
        }
        headers = {}
        if provider.client_secret is not None:
            secret = provider.client_secret.get_secret_value()
            methods = known.document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            if "client_secret_basic" in methods:
                # RFC 6749, 2.3.1: both are form-encoded first.
                credentials = quote_plus(provider.client_id), quote_plus(secret)
                headers["authorization"] = aiohttp.encode_basic_auth(*credentials)
            else:
                form["client_secret"] = secret
        answer = await self._ask("POST", str(known.document["token_endpoint"]), data=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderRefused("the provider gave no ID token")
        claims = await self._claims(provider, known, token)
        self._check(provider, claims, nonce)
        email = claims.get("email") if claims.get("email_verified") is True else None
        name = claims.get("name")
        return Person(
            provider.issuer,
            str(claims["sub"]),
            email if isinstance(email, str) else None,
            name if isinstance(name, str) else None,
        )

    async def _claims(self, provider: Provider, known: _Known, token: str) -> Mapping[str, Any]:
        for is_last in (False, True):
            if known.keys is None or is_last:
                if known.keys is not None and time.monotonic() - known.keys_at < _MIN_KEPT_SECONDS:
                    break
                published = await self._ask("GET", str(known.document["jwks_uri"]))
                try:
                    known.keys = KeySet.import_key_set({"keys": published.get("keys", [])})
                except (JoseError, ValueError, TypeError, KeyError) as error:
                    raise Unavailable("The provider's keys can't be read.") from error
                known.keys_at = time.monotonic()
            try:
                return jwt.decode(token, known.keys, algorithms=[*ALGORITHMS]).claims
            except (JoseError, ValueError, TypeError, KeyError):
                continue
        raise ProviderRefused("the ID token isn't signed by the provider")

    def _check(self, provider: Provider, claims: Mapping[str, Any], nonce: str) -> None:
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        now = time.time()
        subject = claims.get("sub")
        expires, issued = claims.get("exp"), claims.get("iat")
        problems = {
            "issuer": claims.get("iss") != provider.issuer,
            "audience": provider.client_id not in audiences,
            "authorized party": (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != provider.client_id,
            "subject": not isinstance(subject, str) or not 0 < len(subject) <= 255,
            "expiry": not isinstance(expires, int | float) or expires < now - _LEEWAY_SECONDS,
            "time": not isinstance(issued, int | float) or issued > now + _LEEWAY_SECONDS,
            "nonce": not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()),
        }
        if wrong := [name for name, is_wrong in problems.items() if is_wrong]:
            raise ProviderRefused(f"the ID token's {', '.join(wrong)} is wrong")

    async def _discovered(self, provider: Provider) -> _Known:
        known = self._known.get(provider.issuer)
        if known is not None and time.monotonic() - known.at < _KEPT_SECONDS:
            return known
        document = await self._ask("GET", f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != provider.issuer:
            raise Unavailable("The provider's document is about another issuer.")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(document.get(name), str) or not is_secure(document[name]):
                raise Unavailable(f"The provider's document has no {name} that can be used.")
        known = self._known[provider.issuer] = _Known(document)
        return known

    async def _ask(self, method: str, url: str, **options: Any) -> Mapping[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.request(method, url, allow_redirects=False, **options) as response,
            ):
                body = await response.content.read(_MAX_BYTES + 1)
                while len(body) <= _MAX_BYTES and (more := await response.content.read(_MAX_BYTES)):
                    body += more
                if len(body) > _MAX_BYTES:
                    raise Unavailable("The provider's answer is too large.")
                if 400 <= response.status < 500 and method == "POST":
                    raise ProviderRefused(f"the provider answered {response.status} to the code")
                if response.status != 200:
                    raise Unavailable(f"The provider answered {response.status}.")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable("The provider does not answer.") from error
        return _object(body)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except ValueError as error:
        raise Unavailable("The provider's answer is no JSON.") from error
    if not isinstance(document, dict):
        raise Unavailable("The provider's answer is no JSON object.")
    return document


def is_secure(url: str) -> bool:
    """True for HTTPS, and for a server of this machine, as tests and developers have one."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1"))
