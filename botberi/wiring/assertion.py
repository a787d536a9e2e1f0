"""A caller and a subgraph's name -> the signed assertion that this subgraph believes, and no other."""

import base64
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from botberi.wiring.keys import KeyRing, b64url
from gateway.transport.client import UNKNOWN, Client
from shared_schema.contracts import assertion as contract

#: How long one assertion is handed out again: what is left of its 30 s covers a slow request.
_REUSED_FOR: Final = 10.0
_MOST_CACHED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, as identity's verifier says."""

    subject: str
    role: str
    session_id: str | None = None
    scopes: tuple[str, ...] = ()
    #: SHA-256 of the secret in the browser's device cookie; no part of who it is.
    device: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who isn't signed in, at a browser that has a device cookie: SHA-256 of its secret."""

    device: str = field(compare=False)
    subject: None = None


ANONYMOUS: Final = Caller(subject=contract.ANONYMOUS, role="anonymous")
#: The gateway itself, when it asks identity whose credential this is.
GATEWAY: Final = Caller(subject=contract.GATEWAY, role="anonymous")


class AssertionSigner:
    """Signs, and keeps what it signed for a few seconds: most requests of a caller share one signature."""

    def __init__(self, ring: KeyRing, *, clock: Callable[[], float] = time.time) -> None:
        self._ring = ring
        self._clock = clock
        self._cache: OrderedDict[tuple[Caller, str, Client, str | None], tuple[float, str]] = OrderedDict()

    def sign(self, caller: Caller, audience: str, client: Client = UNKNOWN, device: str | None = None) -> str:
        """The assertion of `caller`, who calls from `client` with a known `device`, for the subgraph `audience`."""
        now, entry = self._clock(), (caller, audience, client, device)
        cached = self._cache.get(entry)
        if cached is not None and now - cached[0] < _REUSED_FOR:
            return cached[1]
        token = self._make(caller, audience, client, device, int(now))
        self._cache[entry] = (now, token)
        self._cache.move_to_end(entry)
        if len(self._cache) > _MOST_CACHED:
            self._cache.popitem(last=False)
        return token

    def _make(self, caller: Caller, audience: str, client: Client, device: str | None, now: int) -> str:
        claims = {
            "iss": contract.ISSUER,
            "aud": audience,
            "sub": caller.subject,
            "role": caller.role,
            "sid": caller.session_id,
            "scopes": list(caller.scopes),
            "addr": client.address,
            "agent": client.agent,
            "device": device,
            "iat": now,
            "exp": now + contract.LIFETIME_SECONDS,
            "jti": secrets.token_urlsafe(16),
        }
        key = self._ring.signing
        header = {"alg": contract.ALGORITHM, "kid": key.kid, "typ": "JWT"}
        signed = f"{_segment(header)}.{_segment(claims)}"
        return f"{signed}.{b64url(key.private.sign(signed.encode('ascii')))}"


def subject_of(token: str) -> str:
    """Who an assertion that this process signed is about; the signature isn't looked at."""
    claims = token.split(".")[1]
    padded = claims + "=" * (-len(claims) % 4)
    return str(json.loads(base64.urlsafe_b64decode(padded))["sub"])


def _segment(value: object) -> str:
    return b64url(json.dumps(value, separators=(",", ":")).encode())
