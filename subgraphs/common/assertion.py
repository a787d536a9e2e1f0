"""The Botberi-Assertion header and the request that it came with -> who calls; or a refusal.

Signature, key, every claim, issuer, audience, time, method, path and body are checked. In the gateway's own process
there is no network on which an assertion could be stolen, changed or sent again: there the claims come unsigned, from a
caller that only this process can be.
"""

from __future__ import annotations

import binascii
import hashlib
import time
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import orjson
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from pydantic import ValidationError
from starlette.requests import Request

from shared_schema.contracts.assertion import ALGORITHM, GATEWAY, HEADER, Assertion, Claims
from shared_schema.states import WorkspaceRole
from subgraphs.common.caller import Caller, RequestFacts, Role
from subgraphs.common.keys import KeySource

# RFC 9864 renames EdDSA with this curve to Ed25519; the contract with the gateway has the older name.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)

LEEWAY_SECONDS = 5
MAXIMUM_TOKEN = 8192
# A query that is asked again within seconds comes with the same assertion; that needs no second look at the signature.
REMEMBERED = 1024
# Set in the ASGI scope by a caller in the same process: no client can, as servers make scopes, and headers are no part.
SAME_PROCESS = "botberi.same_process"

ClaimsT = TypeVar("ClaimsT", bound=Claims)


class AssertionRefused(Exception):
    """The request proves nothing; the text says why, for the log, and never holds the token."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Content of a verified assertion."""

    claims: Claims

    @property
    def is_gateway(self) -> bool:
        """True if the gateway speaks for itself, as it does to `/internal/verify`."""
        return self.claims.sub == GATEWAY

    def caller(self) -> Caller:
        """The person behind the request; the gateway itself has no account."""
        claims = self.claims
        return Caller(
            account_id=claims.account_id,
            role=Role(claims.role),
            scopes=frozenset(claims.scopes),
            session_id=claims.sid,
            credential=claims.cred,
            workspaces={UUID(name): WorkspaceRole(role) for name, role in claims.workspaces.items()},
            workspace=UUID(claims.workspace) if claims.workspace else None,
            facts=self.facts(),
        )

    def facts(self) -> RequestFacts:
        """Origin of the person's request, as the gateway found it."""
        device = bytes.fromhex(self.claims.device) if self.claims.device else None
        return RequestFacts(self.claims.agent, self.claims.addr, device, self.claims.base)


class AssertionVerifier:
    """Verifies assertions that are meant for one subgraph."""

    def __init__(self, audience: str, keys: KeySource) -> None:
        self._audience = audience
        self._keys = keys
        self._remembered: OrderedDict[bytes, Claims] = OrderedDict()

    async def verify(self, request: Request, body: bytes) -> Vouched:
        """Return the content of the request's assertion, or raise AssertionRefused; `body` is the whole body."""
        tokens = request.headers.getlist(HEADER)
        if len(tokens) != 1 or not tokens[0]:
            raise AssertionRefused("several assertions" if tokens else "no assertion")
        if len(tokens[0]) > MAXIMUM_TOKEN:
            raise AssertionRefused("the assertion is too long")
        token = tokens[0]
        local = request.scope.get(SAME_PROCESS) is True and token.startswith(".")
        name = hashlib.sha256(token.encode()).digest()
        claims = self._remembered.get(name)
        if claims is None:
            claims = _claims(_decoded(token, 1), Claims) if local else await self._verified(token)
            if claims.aud != self._audience:
                raise AssertionRefused("meant for another subgraph")
            self._remember(name, claims)
        _check_time(claims)
        if isinstance(claims, Assertion):
            if not claims.covers(request.method, _target(request), body):
                raise AssertionRefused("signed for another request")
        elif not local:
            raise AssertionRefused("not signed")
        return Vouched(claims)

    async def _verified(self, token: str) -> Assertion:
        # The header is read before anything is trusted: it has exactly these members, so neither `none` nor an HMAC
        # keyed with our public key gets as far as a verification, and no other way of naming a key counts.
        header = _header(token)
        if set(header) != {"alg", "kid", "typ"} or header["typ"] != "JWT":
            raise AssertionRefused("the header is not alg, kid and typ")
        if header["alg"] != ALGORITHM:
            raise AssertionRefused("the algorithm is not EdDSA")
        kid = header["kid"]
        if not isinstance(kid, str):
            raise AssertionRefused("no key id")
        key = await self._keys.key(kid)
        if key is None:
            raise AssertionRefused("unknown key id")
        try:
            verified = jws.deserialize_compact(token, key, algorithms=[ALGORITHM])
        except (JoseError, ValueError) as problem:
            raise AssertionRefused(type(problem).__name__) from problem
        return _claims(verified.payload, Assertion)

    def _remember(self, name: bytes, claims: Claims) -> None:
        self._remembered[name] = claims
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def _check_time(claims: Claims) -> None:
    now = time.time()
    if now >= claims.exp + LEEWAY_SECONDS:
        raise AssertionRefused(f"expired {now - claims.exp:.0f} s ago by this machine's clock")
    if claims.iat > now + LEEWAY_SECONDS:
        raise AssertionRefused(f"issued {claims.iat - now:.0f} s in the future by this machine's clock")


def _target(request: Request) -> str:
    """The path as it was sent, and the query string where there is one."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope.get("query_string", b"")
    return (path + b"?" + query if query else path).decode("latin-1")


def _header(token: str) -> dict[str, object]:
    try:
        header = orjson.loads(_decoded(token, 0))
    except ValueError as problem:
        raise AssertionRefused("not a JWT") from problem
    if not isinstance(header, dict):
        raise AssertionRefused("not a JWT")
    return header


def _claims(payload: bytes, kind: type[ClaimsT]) -> ClaimsT:
    try:
        return kind.model_validate_json(payload)
    except (ValidationError, ValueError) as problem:
        raise AssertionRefused("the claims are not as the contract has them") from problem


def _decoded(token: str, index: int) -> bytes:
    parts = token.split(".")
    if len(parts) != 3:
        raise AssertionRefused("not a JWT")
    padded = parts[index] + "=" * (-len(parts[index]) % 4)
    try:
        return binascii.a2b_base64(padded.translate(_STANDARD).encode("ascii"), strict_mode=True)
    except ValueError as problem:
        raise AssertionRefused("not a JWT") from problem


_STANDARD = str.maketrans("-_", "+/")
