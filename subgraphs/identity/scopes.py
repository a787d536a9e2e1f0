"""A role -> the scopes that its sessions have, and those that its API keys may be given."""

from __future__ import annotations

from subgraphs.common.caller import Role, Scope

_OWN_THINGS = frozenset({Scope.ACCOUNT_READ, Scope.ACCOUNT_WRITE, Scope.INSTANCES_READ, Scope.INSTANCES_WRITE})
_OF_ROLE: dict[Role, frozenset[Scope]] = {
    Role.ANONYMOUS: frozenset(),
    Role.USER: _OWN_THINGS,
    Role.CURATOR: _OWN_THINGS | {Scope.CATALOG_WRITE},
    Role.ADMIN: _OWN_THINGS | {Scope.CATALOG_WRITE},
}


def session_scopes(role: Role) -> frozenset[str]:
    """Everything that the role may do."""
    return frozenset(scope.value for scope in _OF_ROLE[role])


def grantable(role: Role) -> frozenset[str]:
    """Scopes that a key may have: never to change the account itself, or a leaked key could make more keys."""
    return session_scopes(role) - {Scope.ACCOUNT_WRITE.value}
