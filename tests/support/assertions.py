"""Signs assertions as the gateway does, and as it never would."""

import base64
import json
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
        return jwt.encode(
            header or {"alg": "EdDSA", "kid": self.kid, "typ": "JWT"}, claims, self.key, algorithms=["EdDSA"]
        )

    def claims(self, audience: str, **who: Any) -> str:
        """The claims of a caller alone, unsigned and bound to no request, as a JWT has them."""
        text = base64.urlsafe_b64decode(self.token(audience, **who).split(".")[1] + "==")
        claims = {name: value for name, value in json.loads(text).items() if name not in ("method", "path", "body")}
        return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()

    def token(
        self,
        audience: str,
        account_id: UUID | None = None,
        role: str | None = None,
        scopes: list[str] | None = None,
        session_id: UUID | None = None,
        method: str = "POST",
        path: str = "/graphql",
        request_body: bytes = b"",
        **claims: Any,
    ) -> str:
        """A token as the gateway makes it for one request; `claims` replace some of its claims."""
        role = role or ("user" if account_id else "anonymous")
        if scopes is None:
            scopes = {"user": USER_SCOPES, "admin": ADMIN_SCOPES}.get(role, [])
        bound: Any = {"method": method, "path": path, "body": request_body}
        issued = Assertion.issue(audience, account_id, role, session_id=session_id, scopes=scopes, **bound)  # type: ignore[arg-type]
        return self.sign({**issued.model_dump(mode="json"), **claims})
