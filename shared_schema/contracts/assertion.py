"""Who calls -> the claims of the JWT with which the gateway speaks to a subgraph."""

import time
from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared_schema.ids import new_id

HEADER: Final = "Botberi-Assertion"
ISSUER: Final = "botberi-gateway"
ALGORITHM: Final = "EdDSA"
LIFETIME_SECONDS: Final = 30
ANONYMOUS: Final = "anonymous"
GATEWAY: Final = "gateway"

CallerRole = Literal["user", "admin", "anonymous"]
Scope = Annotated[str, Field(min_length=1, max_length=128)]


def _canonical_address(text: str) -> str:
    if str(ip_address(text)) != text or "%" in text:
        raise ValueError("not an IP address in its canonical form")
    return text


class Assertion(BaseModel):
    """The claims; `sub` is an account's UUID, `anonymous`, or `gateway` for the gateway's own requests.

    `addr` is the IP address that the caller's request came from, `agent` the device (its `User-Agent`); null where either isn't known.
    `device` (for identity alone) is the SHA-256 of the secret in the browser's device cookie, in hexadecimal digits.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    iss: Literal["botberi-gateway"] = ISSUER
    aud: Annotated[str, Field(min_length=1, max_length=64)]
    sub: Annotated[str, Field(max_length=64)]
    role: CallerRole = "anonymous"
    sid: UUID | None = None
    scopes: Annotated[list[Scope], Field(max_length=256)] = []
    addr: Annotated[str, Field(max_length=45), AfterValidator(_canonical_address)] | None = None
    agent: Annotated[str, Field(min_length=1, max_length=400)] | None = None
    device: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    iat: int
    exp: int
    jti: Annotated[str, Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _caller_is_consistent(self) -> Self:
        nobody = self.sub in (ANONYMOUS, GATEWAY)
        if not nobody:
            UUID(self.sub)
        if nobody != (self.role == "anonymous"):
            raise ValueError("an account has the role user or admin, and only an account has one")
        if not self.iat < self.exp <= self.iat + LIFETIME_SECONDS:
            raise ValueError(f"exp must follow iat within {LIFETIME_SECONDS} seconds")
        return self

    @property
    def account_id(self) -> UUID | None:
        """The calling account; None for anonymous callers and the gateway itself."""
        return None if self.sub in (ANONYMOUS, GATEWAY) else UUID(self.sub)

    @classmethod
    def issue(
        cls,
        audience: str,
        account_id: UUID | None = None,
        role: CallerRole = "anonymous",
        *,
        session_id: UUID | None = None,
        scopes: list[str] | None = None,
        now: float | None = None,
    ) -> Self:
        """Return fresh claims for one subgraph; signing them is the caller's."""
        issued_at = int(time.time() if now is None else now)
        return cls(
            aud=audience,
            sub=str(account_id) if account_id else ANONYMOUS,
            role=role,
            sid=session_id,
            scopes=scopes or [],
            iat=issued_at,
            exp=issued_at + LIFETIME_SECONDS,
            jti=str(new_id()),
        )
