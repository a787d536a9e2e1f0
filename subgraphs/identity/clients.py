"""The client behind a request: what is recorded of it, how it is counted, and whether an account knows it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from uuid import UUID

from subgraphs.common.caller import Caller
from subgraphs.common.context import RequestFacts
from subgraphs.identity import credentials
from subgraphs.identity.networks import own_network, site
from subgraphs.identity.turns import Applicant


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request came from, and what it brought along."""

    caller: Caller
    ip_address: str | None = None
    user_agent: str | None = None
    # The secret of its device cookie, when it has the form of one.
    device_token: str | None = None

    @classmethod
    def of(cls, caller: Caller, facts: RequestFacts) -> Client:
        """The client of a request."""
        device = facts.device_token if facts.device_token and credentials.is_device_token(facts.device_token) else None
        return cls(caller, _stored(facts.ip_address), facts.user_agent, device)

    @property
    def network(self) -> str:
        """The network that its tries are counted under."""
        return own_network(self.ip_address)

    @property
    def site(self) -> str:
        """The wider network that its tries are counted under as well."""
        return site(self.ip_address)

    @property
    def device_hash(self) -> bytes | None:
        """What its device would be stored under."""
        return credentials.digest(self.device_token) if self.device_token else None

    def session_of(self, account_id: UUID) -> str | None:
        """The name of the session or key of this account with which the request came, or None."""
        if self.caller.account_id == account_id and self.caller.session_id is not None:
            return f"session:{self.caller.session_id}"
        return None

    def applicant(self, known_as: str | None = None) -> Applicant:
        """How it waits for a thread: by the name it is known under, else with all others of its site."""
        return Applicant(known_as or f"site:{self.site}", is_known=known_as is not None)


def _stored(address: str | None) -> str | None:
    """The address in the form that is stored; an IPv4 client of an IPv6 socket by its IPv4 address."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
