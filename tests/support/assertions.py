"""Signs assertions as the gateway does, and as it never would."""

from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import OKPKey

from shared_schema.contracts.assertion import Assertion

USER_SCOPES = ["account:read", "account:write", "instances:read", "instances:write"]
ADMIN_SCOPES = [*USER_SCOPES, "catalog:write"]


class Signer:
    """A key pair, its JWKS, and tokens signed with it."""

    def __init__(self, kid: str = "test-1") -> None:
        self.key = OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig", "alg": "EdDSA"}, private=True)
        self.kid = kid

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return {"keys": [self.key.as_dict(private=False)]}

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """Any claims, signed."""
        return jwt.encode(header or {"alg": "EdDSA", "kid": self.kid}, claims, self.key, algorithms=["EdDSA"])

    def token(
        self,
        audience: str,
        account_id: UUID | None = None,
        role: str | None = None,
        scopes: list[str] | None = None,
        session_id: UUID | None = None,
        **claims: Any,
    ) -> str:
        """A token as the gateway makes it; `claims` replace some of its claims."""
        role = role or ("user" if account_id else "anonymous")
        if scopes is None:
            scopes = {"user": USER_SCOPES, "admin": ADMIN_SCOPES}.get(role, [])
        issued = Assertion.issue(audience, account_id, role, session_id=session_id, scopes=scopes)  # type: ignore[arg-type]
        return self.sign({**issued.model_dump(mode="json", exclude_none=True), **claims})
