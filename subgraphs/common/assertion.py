"""The Botberi-Assertion header -> who calls: signature, issuer, audience and time checked, else a refusal."""

from __future__ import annotations

import binascii
import hashlib
import time
import warnings
from collections import OrderedDict
from dataclasses import dataclass

import orjson
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from pydantic import ValidationError

from shared_schema.contracts.assertion import ALGORITHM, GATEWAY, Assertion
from subgraphs.common.caller import Caller, Role
from subgraphs.common.context import RequestFacts
from subgraphs.common.keys import KeySource

# RFC 9864 renames EdDSA with this curve to Ed25519; the contract with the gateway has the older name.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)

LEEWAY_SECONDS = 5
MAXIMUM_TOKEN = 8192
# The gateway may send one assertion with several requests; those need no second look at the signature.
REMEMBERED = 1024


class AssertionRefused(Exception):
    """The request proves nothing; the text says why, for the log, and never holds the token."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a verified assertion says."""

    assertion: Assertion

    @property
    def is_gateway(self) -> bool:
        """Whether the gateway speaks for itself, as it does to `/internal/verify`."""
        return self.assertion.sub == GATEWAY

    def caller(self) -> Caller:
        """The person behind the request; the gateway itself is nobody."""
        claims = self.assertion
        return Caller(
            account_id=claims.account_id,
            role=Role(claims.role),
            scopes=frozenset(claims.scopes),
            session_id=claims.sid,
        )

    def facts(self) -> RequestFacts:
        """Where the person's request comes from, as the gateway found it."""
        device = bytes.fromhex(self.assertion.device) if self.assertion.device else None
        return RequestFacts(self.assertion.agent, self.assertion.addr, device)


class AssertionVerifier:
    """Verifies assertions that are meant for one subgraph."""

    def __init__(self, audience: str, keys: KeySource) -> None:
        self._audience = audience
        self._keys = keys
        self._remembered: OrderedDict[bytes, Vouched] = OrderedDict()

    async def verify(self, token: str | None) -> Vouched:
        """What the token vouches for, or AssertionRefused."""
        if not token:
            raise AssertionRefused("no assertion")
        if len(token) > MAXIMUM_TOKEN:
            raise AssertionRefused("the assertion is too long")
        digest = hashlib.sha256(token.encode()).digest()
        vouched = self._remembered.get(digest)
        if vouched is None:
            vouched = Vouched(await self._decode(token))
            self._remember(digest, vouched)
        now = time.time()
        if now >= vouched.assertion.exp + LEEWAY_SECONDS:
            raise AssertionRefused(f"expired {now - vouched.assertion.exp:.0f} s ago by this machine's clock")
        if vouched.assertion.iat > now + LEEWAY_SECONDS:
            ahead = vouched.assertion.iat - now
            raise AssertionRefused(f"issued {ahead:.0f} s in the future by this machine's clock")
        return vouched

    async def _decode(self, token: str) -> Assertion:
        # The header is read before anything is trusted: it names the key, and only one algorithm is let in,
        # so neither `none` nor an HMAC keyed with our public key gets as far as a verification.
        header = _header(token)
        if header.get("alg") != ALGORITHM:
            raise AssertionRefused("the algorithm is not EdDSA")
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise AssertionRefused("no key id")
        key = await self._keys.key(kid)
        if key is None:
            raise AssertionRefused("unknown key id")
        try:
            claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
            assertion = Assertion.model_validate(claims)
        except (JoseError, ValidationError, ValueError) as problem:
            raise AssertionRefused(type(problem).__name__) from problem
        if assertion.aud != self._audience:
            raise AssertionRefused("meant for another subgraph")
        return assertion

    def _remember(self, digest: bytes, vouched: Vouched) -> None:
        self._remembered[digest] = vouched
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def _header(token: str) -> dict[str, object]:
    try:
        encoded = token.split(".", 1)[0]
        padded = encoded + "=" * (-len(encoded) % 4)
        header = orjson.loads(binascii.a2b_base64(padded.translate(_STANDARD).encode(), strict_mode=True))
    except (ValueError, UnicodeEncodeError) as problem:
        raise AssertionRefused("not a JWT") from problem
    if not isinstance(header, dict):
        raise AssertionRefused("not a JWT")
    return header


_STANDARD = str.maketrans("-_", "+/")
