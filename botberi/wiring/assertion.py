"""A caller and a subgraph's name -> the assertion that this subgraph believes, and no other; signed for one request."""

import base64
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from botberi.wiring.keys import KeyRing, b64url
from botberi_gateway.transport.client import UNKNOWN, Client
from shared_schema.contracts import assertion as contract

#: How long claims are handed out again, and a signature for a request that is sent again: what is left of its 30 s
#: covers a slow one.
_REUSED_FOR: Final = 10.0
_MAX_CACHED: Final = 10_000
#: Headers of subgraph requests go by their lower-case names.
_HEADER: Final = contract.HEADER.lower()


@dataclass(frozen=True, slots=True)
class Caller:
    """Sender of a request, as identity's verifier reports it."""

    subject: str
    role: str
    session_id: str | None = None
    scopes: tuple[str, ...] = ()
    credential: Literal["SESSION", "API_KEY"] | None = None
    #: Each workspace with the caller's role in it, and the one that is meant where a request names none.
    workspaces: tuple[tuple[str, str], ...] = ()
    workspace: str | None = None
    #: SHA-256 of the secret in the browser's device cookie; no part of who it is.
    device: str | None = field(default=None, compare=False)

    @property
    def rights(self) -> tuple[object, ...]:
        """What the caller may see and do; open subscriptions end when it changes."""
        return self.role, self.scopes, self.workspaces


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who isn't signed in, at a browser that has a device cookie: SHA-256 of its secret."""

    device: str = field(compare=False)
    subject: None = None


ANONYMOUS: Final = Caller(subject=contract.ANONYMOUS, role="anonymous")
#: The gateway itself, when it asks identity whose credential this is.
GATEWAY: Final = Caller(subject=contract.GATEWAY, role="anonymous")


class AssertionSigner:
    """Writes claims, which say who calls from where, and signs them for a request.

    A signature (0.1 ms on a busy core) is made for each request that leaves the process; a query that is sent again
    within ten seconds has the same. What stays in the process goes unsigned.
    """

    def __init__(self, ring: KeyRing, *, clock: Callable[[], float] = time.time) -> None:
        self._ring = ring
        self._clock = clock
        self._claims: OrderedDict[Hashable, tuple[float, str]] = OrderedDict()
        self._cache: OrderedDict[Hashable, tuple[float, str]] = OrderedDict()

    def claims(self, caller: Caller, audience: str, client: Client = UNKNOWN, device: str | None = None) -> str:
        """Return `.claims.`, the unsigned assertion for `audience` of `caller`, who calls from `client` with `device`.

        `sign_claims` makes of it one that a subgraph believes over the network; in this process it is enough.
        """
        entry = caller, audience, client, device
        return self._kept(self._claims, entry, lambda now: _claims(caller, audience, client, device, now))

    def for_audience(self, claims: str, audience: str) -> str:
        """Return the same claims for another subgraph: the same caller from the same client, for as long."""
        return self._kept(
            self._claims, (claims, audience), lambda _: f".{_segment({**_read(claims), 'aud': audience})}."
        )

    def sign(
        self,
        caller: Caller,
        audience: str,
        client: Client = UNKNOWN,
        device: str | None = None,
        *,
        method: str = "POST",
        path: str = "/graphql",
        body: bytes = b"",
    ) -> str:
        """The assertion for one request."""
        return self.sign_claims(self.claims(caller, audience, client, device), method, path, body)

    def sign_claims(self, claims: str, method: str, path: str, body: bytes, *, once: bool = False) -> str:
        """Sign claims for the request with this method, target and body; `once` makes a new signature for each."""
        digest = contract.digest(body)
        if once:
            return self._sign(claims, method, path, digest)
        entry = claims, method, path, digest
        return self._kept(self._cache, entry, lambda _: self._sign(claims, method, path, digest))

    def signed(
        self, headers: Mapping[str, str], method: str, path: str, body: bytes, *, once: bool = False
    ) -> Mapping[str, str]:
        """A request's headers with the claims among them signed for it."""
        return {
            name: self.sign_claims(value, method, path, body, once=once) if name.lower() == _HEADER else value
            for name, value in headers.items()
        }

    def _sign(self, claims: str, method: str, path: str, digest: str) -> str:
        key = self._ring.signing
        bound = {"method": method, "path": path, "body": digest, "jti": secrets.token_urlsafe(16)}
        header = {"alg": contract.ALGORITHM, "kid": key.kid, "typ": "JWT"}
        text = f"{_segment(header)}.{_segment({**_read(claims), **bound})}"
        return f"{text}.{b64url(key.private.sign(text.encode('ascii')))}"

    def _kept(
        self, cache: OrderedDict[Hashable, tuple[float, str]], entry: Hashable, make: Callable[[float], str]
    ) -> str:
        now = self._clock()
        cached = cache.get(entry)
        if cached is not None and now - cached[0] < _REUSED_FOR:
            return cached[1]
        text = make(now)
        cache[entry] = (now, text)
        cache.move_to_end(entry)
        if len(cache) > _MAX_CACHED:
            cache.popitem(last=False)
        return text


def _claims(caller: Caller, audience: str, client: Client, device: str | None, now: float) -> str:
    claims = {
        "iss": contract.ISSUER,
        "aud": audience,
        "sub": caller.subject,
        "role": caller.role,
        "sid": caller.session_id,
        "cred": caller.credential,
        "scopes": list(caller.scopes),
        "workspaces": dict(caller.workspaces),
        "workspace": caller.workspace,
        "addr": client.address,
        "agent": client.agent,
        "base": client.origin,
        "device": device,
        "iat": int(now),
        "exp": int(now) + contract.LIFETIME_SECONDS,
        "jti": secrets.token_urlsafe(16),
    }
    return f".{_segment(claims)}."


def subject_of(token: str) -> str:
    """Subject of an assertion that this process wrote; no signature is checked."""
    return str(_read(token)["sub"])


def _read(token: str) -> dict[str, object]:
    text = token.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return claims


def _segment(value: object) -> str:
    return b64url(json.dumps(value, separators=(",", ":")).encode())
