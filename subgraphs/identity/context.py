"""Context of identity's resolvers (`info.context`), and the loaders of one request."""

from __future__ import annotations

from dataclasses import dataclass, field

import strawberry

from shared_schema.models import AccountSession, ApiKey
from subgraphs.common.context import RequestContext, Store
from subgraphs.common.loaders import ChildLoader, row_loader
from subgraphs.identity import repository
from subgraphs.identity.clients import Client
from subgraphs.identity.service import IdentityService
from subgraphs.identity.settings import IdentitySettings


class Loaders:
    """Batches what the fields of one request read."""

    def __init__(self, store: Store, settings: IdentitySettings) -> None:
        self.accounts = row_loader(store, repository.accounts_by_id)
        self.service_accounts = row_loader(store, repository.service_accounts_by_id)
        self.workspaces = row_loader(store, repository.workspaces_by_id)
        self.members = row_loader(store, repository.members_by_workspace)
        self.workspace_service_accounts = row_loader(store, repository.service_accounts_by_workspace)
        self.service_keys = row_loader(store, repository.keys_by_service_account)
        self.api_keys = ChildLoader(store, repository.live_api_keys(), ApiKey.account_id, repository.API_KEYS)
        sessions = repository.live_sessions(settings.session_idle)
        self.sessions = ChildLoader(store, sessions, AccountSession.account_id, repository.SESSIONS)


@dataclass(slots=True)
class Context(RequestContext):
    """Identity's request context."""

    service: IdentityService = field(kw_only=True)
    settings: IdentitySettings = field(kw_only=True)
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.renew_loaders()

    @property
    def client(self) -> Client:
        """The client behind the request."""
        return Client(self.caller, self.facts)

    def renew_loaders(self) -> None:
        """Forget what was loaded."""
        self.loaders = Loaders(self.store, self.settings)


Info = strawberry.Info[Context, None]
