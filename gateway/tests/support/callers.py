"""An authenticator and subgraph headers for tests: bearer tokens and session cookies are names."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from botberi_gateway.transport.client import Client
from botberi_gateway.transport.port import Caller, Credentials, Unauthenticated


@dataclass(frozen=True)
class Named:
    """A caller."""

    subject: str | None


@dataclass
class Tokens:
    """`Bearer NAME` and cookie `session=NAME`.

    A name in `revoked` is refused, `slow` takes its time, `down` makes every check fail.
    """

    revoked: set[str] = field(default_factory=set)
    down: bool = False
    asked: int = 0

    async def authenticate(self, credentials: Credentials) -> Caller | None:
        self.asked += 1
        if self.down:
            raise RuntimeError("the verifier is down: dsn=secret")
        name = credentials.cookies.get("session")
        header = credentials.headers.get("authorization")
        if header is not None:
            scheme, _, name = header.partition(" ")
            if scheme != "Bearer":
                raise Unauthenticated("Send a bearer token.")
        if name is None:
            return None
        if name == "slow":
            await asyncio.sleep(0.2)
        if name in self.revoked:
            raise Unauthenticated("The session has ended.")
        return Named(name)


class CallerHeader:
    """Tells subgraphs who calls."""

    def headers_for(self, caller: Caller | None, subgraph: str, client: Client) -> Mapping[str, str]:
        return {"X-Caller": f"{caller.subject if caller else 'anonymous'}@{subgraph}"}
