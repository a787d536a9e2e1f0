"""The client behind a request: what is recorded of it, how it is counted, and by what an account knows it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from subgraphs.common.caller import Caller, RequestFacts
from subgraphs.identity.networks import site_of
from subgraphs.identity.turns import Applicant


@dataclass(frozen=True, slots=True)
class Client:
    """Client of a request: its address, and the session or device that it is known by."""

    caller: Caller
    facts: RequestFacts

    @property
    def site(self) -> str:
        """The wider network that its tries are counted under, beside `facts.network`."""
        return site_of(self.facts.ip_address)

    @property
    def session(self) -> str | None:
        """The name of the session or key with which the request came, or None."""
        return f"session:{self.caller.session_id}" if self.caller.session_id is not None else None

    def session_of(self, account_id: UUID) -> str | None:
        """The name of that session or key where it is one of this account, else None."""
        return self.session if self.caller.account_id == account_id else None

    def applicant(self, known_as: str | None = None) -> Applicant:
        """Queue in which it waits for a thread: its own if the client is known, else that of its site."""
        return Applicant(known_as or f"site:{self.site}", is_known=known_as is not None)
