"""Claims of a verified assertion -> Caller, what every rule of authorisation asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import Literal
from uuid import UUID

from shared_schema.origin import ALL_WORKSPACES
from shared_schema.states import WorkspaceRole
from subgraphs.common.errors import ForbiddenRefusal, UnauthenticatedRefusal


class Role(StrEnum):
    """Rights of an account beyond its own things."""

    ANONYMOUS = "anonymous"
    USER = "user"
    CURATOR = "curator"
    ADMIN = "admin"


class Scope(StrEnum):
    """A right of a credential; a session has all of its role's, an API key those it was made with."""

    ACCOUNT_READ = "account:read"
    ACCOUNT_WRITE = "account:write"
    CATALOG_WRITE = "catalog:write"
    INSTANCES_READ = "instances:read"
    INSTANCES_WRITE = "instances:write"


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Origin of the person's request, as the gateway vouches for it; None for a fact that isn't known.

    `ip_address` is canonical (IPv4 in IPv6 as IPv4) and found behind trusted proxies, so it may be relied on.
    `user_agent` is what the client says about itself, at most 400 printable characters: good for telling devices apart
    to their owner, proof of nothing.
    """

    user_agent: str | None = None
    ip_address: str | None = None
    # SHA-256 of the secret in the browser's device cookie, which identity alone gets.
    device_hash: bytes | None = field(default=None, repr=False)
    # Scheme, host and port by which the client reached the gateway: for addresses in its own answers.
    base_url: str | None = None

    @property
    def network(self) -> str:
        """Key of throttles' counts: an IPv4 address, the /64 of an IPv6 one (one connection has it), or `unknown`."""
        if self.ip_address is None:
            return "unknown"
        address = ip_address(self.ip_address)
        return self.ip_address if address.version == 4 else f"{IPv6Address(int(address) >> 64 << 64)}/64"


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller, as the gateway vouches for it."""

    account_id: UUID | None
    role: Role
    scopes: frozenset[str]
    session_id: UUID | None
    #: What `session_id` is the id of.
    credential: Literal["SESSION", "API_KEY"] | None = None
    facts: RequestFacts = field(default_factory=RequestFacts, compare=False)
    #: The workspaces of which the caller is a member, and its role in each.
    workspaces: Mapping[UUID, WorkspaceRole] = field(default_factory=dict, hash=False)
    #: The workspace that is meant where a request names none: the personal one, or a service account's.
    workspace: UUID | None = None

    @property
    def is_authenticated(self) -> bool:
        """True if an account stands behind the request."""
        return self.account_id is not None

    def allows(self, scope: Scope) -> bool:
        """True if the credential covers `scope`."""
        return self.account_id is not None and scope.value in self.scopes

    def curates(self, scope: Scope) -> bool:
        """True if the caller is a curator or an admin whose credential covers `scope`."""
        return self.role in (Role.CURATOR, Role.ADMIN) and self.allows(scope)

    def administers(self, scope: Scope) -> bool:
        """True if the caller is an admin whose credential covers `scope`."""
        return self.role is Role.ADMIN and self.allows(scope)

    def may_read(self, owner_id: UUID, scope: Scope) -> bool:
        """True if things of `owner_id` are the caller's to see: their own, or anybody's for an admin."""
        return self.allows(scope) and (self.account_id == owner_id or self.role is Role.ADMIN)

    @property
    def rows(self) -> str:
        """What row-level security lets through in this caller's requests (`shared_schema.origin`)."""
        if self.role in (Role.CURATOR, Role.ADMIN):
            return ALL_WORKSPACES
        return ",".join(sorted(str(workspace) for workspace in self.workspaces))

    def reads_in(self, workspace_id: UUID, scope: Scope) -> bool:
        """True if the things of a workspace are the caller's to see: of a member, or of an admin."""
        return self.allows(scope) and (workspace_id in self.workspaces or self.role is Role.ADMIN)

    def writes_in(self, workspace_id: UUID, scope: Scope) -> bool:
        """True if the caller makes and changes things in a workspace: an owner or a member, no viewer."""
        role = self.workspaces.get(workspace_id)
        return role is not None and role.may_write and self.allows(scope)

    def require(self, scope: Scope) -> UUID:
        """The caller's account, or the refusal that a mutation answers."""
        if self.account_id is None:
            raise UnauthenticatedRefusal("Sign in first.")
        if scope.value not in self.scopes:
            raise ForbiddenRefusal(f"These credentials do not have the scope {scope.value}.")
        return self.account_id

    def require_curator(self, scope: Scope) -> UUID:
        """The curator's or admin's account, or the refusal that a mutation answers."""
        account_id = self.require(scope)
        if self.role not in (Role.CURATOR, Role.ADMIN):
            raise ForbiddenRefusal("Only curators and admins may do this.")
        return account_id

    def require_admin(self, scope: Scope) -> UUID:
        """The admin's account, or the refusal that a mutation answers."""
        account_id = self.require(scope)
        if self.role is not Role.ADMIN:
            raise ForbiddenRefusal("Only admins may do this.")
        return account_id


ANONYMOUS = Caller(account_id=None, role=Role.ANONYMOUS, scopes=frozenset(), session_id=None)
