"""A client's credentials -> the gateway's caller, and for each subgraph an unsigned header that names the caller."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from botberi.wiring.assertion import ANONYMOUS, AssertionSigner, Caller, Visitor
from botberi.wiring.verifier import Verifier
from botberi_gateway.transport import port
from botberi_gateway.transport.client import UNKNOWN, Client
from shared_schema.api_keys import KeyRefused, looks_like_key, parse_key
from shared_schema.contracts.assertion import HEADER
from shared_schema.contracts.cookies import device_cookie, session_cookie

_IDENTITY: Final = "identity"
#: No device token is near this long; longer ones aren't worth hashing.
_MAX_DEVICE_TOKEN: Final = 128


@dataclass(frozen=True, slots=True)
class PlatformAuthenticator:
    """The gateway's `Authenticator`: session cookie, or bearer session token or API key, asked of identity."""

    verifier: Verifier
    #: True if cookies are for HTTPS alone, which their names say; identity sets them by the same setting.
    secure_cookies: bool = False
    #: The environment that API keys name; those of another are refused without a question.
    key_environment: str = "dev"

    async def authenticate(self, credentials: port.Credentials) -> Caller | Visitor | None:
        """Implements `transport.port.Authenticator`; raises `VerifierUnavailableError` when identity can't be asked."""
        caller = await self._caller(credentials)
        token = credentials.cookies.get(device_cookie(secure=self.secure_cookies))
        if not token or len(token) > _MAX_DEVICE_TOKEN:
            return caller
        device = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        return Visitor(device) if caller is None else replace(caller, device=device)

    async def _caller(self, credentials: port.Credentials) -> Caller | None:
        header = credentials.headers.get("authorization")
        if header is not None:
            credential = _bearer(header)
            if looks_like_key(credential):
                try:
                    parse_key(credential, self.key_environment)
                except KeyRefused as refused:
                    raise port.Unauthenticated(str(refused)) from None
            caller = await self.verifier.verify(credential, "bearer", credentials.client.address)
            if caller is None:
                raise port.Unauthenticated("The credentials are unknown, have ended or were revoked. Sign in again.")
            return caller
        name = session_cookie(secure=self.secure_cookies)
        if name in credentials.ambiguous_cookies:
            raise port.Unauthenticated(
                f"The request has several cookies named {name} with different values, of which one may be another "
                f"site's. Remove this site's cookies and sign in again."
            )
        cookie = credentials.cookies.get(name)
        # A browser sends an ended session's cookie to `login` as well, so the caller is unknown, and it is no error.
        return await self.verifier.verify(cookie, "cookie") if cookie else None


@dataclass(frozen=True, slots=True)
class AssertionHeaders:
    """The gateway's `SubgraphHeaders`: each subgraph's claims of caller, address and device, which `signing` signs."""

    signer: AssertionSigner

    def headers_for(self, caller: port.Caller | None, subgraph: str, client: Client = UNKNOWN) -> Mapping[str, str]:
        """Implements `botberi_gateway.transport.port.SubgraphHeaders`."""
        known = caller if isinstance(caller, Caller) else ANONYMOUS
        # Only identity knows devices; to the others callers with and without one are the same.
        device = caller.device if subgraph == _IDENTITY and isinstance(caller, Caller | Visitor) else None
        return {HEADER: self.signer.claims(known, subgraph, client, device)}


def _bearer(header: str) -> str:
    scheme, _, credential = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise port.Unauthenticated("Send `Authorization: Bearer <session token or API key>`.")
    return credential.strip()
