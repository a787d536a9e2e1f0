"""A client's credentials -> the caller for the gateway, and for each subgraph the header that says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from botberi.wiring.assertion import ANONYMOUS, AssertionSigner, Caller
from botberi.wiring.verifier import Verifier
from gateway.transport import port
from gateway.transport.client import UNKNOWN, Client
from shared_schema.contracts.assertion import HEADER

SESSION_COOKIE: Final = "botberi_session"


@dataclass(frozen=True, slots=True)
class PlatformAuthenticator:
    """The gateway's `Authenticator`: session cookie, or bearer session token or API key, asked of identity."""

    verifier: Verifier

    async def authenticate(self, credentials: port.Credentials) -> Caller | None:
        """See `gateway.transport.port.Authenticator`; raises `VerifierUnavailableError` when identity can't be asked."""
        header = credentials.headers.get("authorization")
        if header is not None:
            caller = await self.verifier.verify(_bearer(header), "bearer")
            if caller is None:
                raise port.Unauthenticated("The credentials are unknown, have ended or were revoked. Sign in again.")
            return caller
        cookie = credentials.cookies.get(SESSION_COOKIE)
        # A browser sends an ended session's cookie to `login` as well, so it makes a stranger, not an error.
        return await self.verifier.verify(cookie, "cookie") if cookie else None


@dataclass(frozen=True, slots=True)
class AssertionHeaders:
    """The gateway's `SubgraphHeaders`: a signed assertion for each subgraph, of the caller, their address and their device."""

    signer: AssertionSigner

    def headers_for(self, caller: port.Caller | None, subgraph: str, client: Client = UNKNOWN) -> Mapping[str, str]:
        """See `gateway.transport.port.SubgraphHeaders`."""
        known = caller if isinstance(caller, Caller) else ANONYMOUS
        return {HEADER: self.signer.sign(known, subgraph, client)}


def _bearer(header: str) -> str:
    scheme, _, credential = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise port.Unauthenticated("Send `Authorization: Bearer <session token or API key>`.")
    return credential.strip()
