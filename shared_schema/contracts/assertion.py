"""The caller, its client and a purpose -> the claims of the JWT with which the gateway speaks to a subgraph."""

import base64
import hashlib
import time
from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared_schema.ids import new_id

HEADER: Final = "Botberi-Assertion"
ISSUER: Final = "botberi-gateway"
ALGORITHM: Final = "EdDSA"
LIFETIME_SECONDS: Final = 30
ANONYMOUS: Final = "anonymous"
GATEWAY: Final = "gateway"

#: An account is a member of so many workspaces at most: all of them stand in each assertion.
MAX_WORKSPACES: Final = 50

CallerRole = Literal["user", "curator", "admin", "anonymous"]
Scope = Annotated[str, Field(min_length=1, max_length=128)]


def _canonical_address(text: str) -> str:
    if str(ip_address(text)) != text or "%" in text:
        raise ValueError("not an IP address in its canonical form")
    return text


def _canonical_uuid(value: object) -> object:
    if not isinstance(value, str):
        return value
    if str(UUID(value)) != value:
        raise ValueError("not a UUID in its canonical form")
    return UUID(value)


def _workspace_id(text: str) -> str:
    if str(UUID(text)) != text:
        raise ValueError("not a UUID in its canonical form")
    return text


WorkspaceId = Annotated[str, Field(max_length=36), AfterValidator(_workspace_id)]


def digest(body: bytes) -> str:
    """The claim `body`: SHA-256 of a request's body, in base64url without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode("ascii")


class Claims(BaseModel):
    """Caller of a request; `sub` is an account's UUID, `anonymous`, or `gateway` for the gateway's own requests.

    `addr` is the IP address that the caller's request came from, `agent` the device (its `User-Agent`); null where
    either isn't known. `base` is the address (scheme, host and port) by which the client reached the gateway: for
    addresses in its own answers, proof of nothing. `workspaces` are those of which the caller is a member, with its
    role in each, and `workspace` is the one that is meant where a request names none. `cred` says whether `sid` is a
    session or an API key. `device` (for identity alone) is the SHA-256 of the secret in the browser's device cookie, in
    hexadecimal digits. Every claim is there, of exactly its type, and there is no other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    iss: Literal["botberi-gateway"]
    aud: Annotated[str, Field(min_length=1, max_length=64)]
    sub: Annotated[str, Field(max_length=64)]
    role: CallerRole
    sid: Annotated[UUID, BeforeValidator(_canonical_uuid)] | None
    cred: Literal["SESSION", "API_KEY"] | None
    scopes: Annotated[list[Scope], Field(max_length=256)]
    workspaces: Annotated[dict[WorkspaceId, Literal["owner", "member", "viewer"]], Field(max_length=MAX_WORKSPACES)]
    workspace: WorkspaceId | None
    addr: Annotated[str, Field(max_length=45), AfterValidator(_canonical_address)] | None
    agent: Annotated[str, Field(min_length=1, max_length=400)] | None
    base: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9._~\[\]:-]{1,265}$")] | None
    device: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    iat: int
    exp: int
    jti: Annotated[str, Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _caller_is_consistent(self) -> Self:
        no_account = self.sub in (ANONYMOUS, GATEWAY)
        if not no_account and str(UUID(self.sub)) != self.sub:
            raise ValueError("an account is named by its UUID in the canonical form")
        if no_account != (self.role == "anonymous"):
            raise ValueError("an account has the role user, curator or admin, and only an account has one")
        if not self.iat < self.exp <= self.iat + LIFETIME_SECONDS:
            raise ValueError(f"exp must follow iat within {LIFETIME_SECONDS} seconds")
        return self

    @property
    def account_id(self) -> UUID | None:
        """The calling account; None for anonymous callers and the gateway itself."""
        return None if self.sub in (ANONYMOUS, GATEWAY) else UUID(self.sub)


class Assertion(Claims):
    """The claims of a signed assertion: who calls, and the one request that it is good for.

    `path` is the request's target as it is sent, with the query string if it has one; `body` is `digest` of its body.
    """

    method: Annotated[str, Field(pattern=r"^[A-Z]{1,16}$")]
    path: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=2048)]
    body: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]

    def covers(self, method: str, path: str, body: bytes) -> bool:
        """True if this is the request that it was signed for."""
        return (self.method, self.path, self.body) == (method, path, digest(body))

    @classmethod
    def issue(
        cls,
        audience: str,
        account_id: UUID | None = None,
        role: CallerRole = "anonymous",
        *,
        session_id: UUID | None = None,
        scopes: list[str] | None = None,
        workspaces: dict[str, Literal["owner", "member", "viewer"]] | None = None,
        now: float | None = None,
        method: str = "POST",
        path: str = "/graphql",
        body: bytes = b"",
    ) -> Self:
        """Return fresh claims for one request to one subgraph, in the personal workspace; signing is the caller's."""
        issued_at = int(time.time() if now is None else now)
        return cls(
            iss=ISSUER,
            aud=audience,
            sub=str(account_id) if account_id else ANONYMOUS,
            role=role,
            sid=session_id,
            cred="SESSION" if session_id else None,
            scopes=scopes or [],
            workspaces={str(account_id): "owner"} if account_id and workspaces is None else workspaces or {},
            workspace=str(account_id) if account_id else None,
            addr=None,
            agent=None,
            base=None,
            device=None,
            method=method,
            path=path,
            body=digest(body),
            iat=issued_at,
            exp=issued_at + LIFETIME_SECONDS,
            jti=str(new_id()),
        )
