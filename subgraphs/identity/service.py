"""Identity's service in parts, which share how passwords are hashed and how tries are counted."""

from __future__ import annotations

from shared_schema.artifacts import make_storage
from subgraphs.common.context import Store
from subgraphs.identity.accounts import Accounts
from subgraphs.identity.addresses import Addresses
from subgraphs.identity.administration import Administration
from subgraphs.identity.api_keys import ApiKeys
from subgraphs.identity.factors import Factors
from subgraphs.identity.lifecycle import Lifecycle
from subgraphs.identity.passkeys import Passkeys
from subgraphs.identity.passwords import Passwords
from subgraphs.identity.proofs import Proofs
from subgraphs.identity.providers import Providers
from subgraphs.identity.recovery import Recovery
from subgraphs.identity.registration import Registrations
from subgraphs.identity.sessions import Sessions
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle
from subgraphs.identity.workspaces import Workspaces


class IdentityService:
    """Accounts, sessions and keys: the rules, each mutation in one unit of work; one for the process."""

    def __init__(self, store: Store, settings: IdentitySettings, passwords: Passwords) -> None:
        throttle = Throttle(store)
        #: Tokens of links in mails, and sealed texts.
        keys = self.links = settings.keys()
        self.storage = make_storage(settings)
        self.registrations = Registrations(store, settings, keys, passwords, throttle)
        self.recovery = Recovery(store, settings, keys, passwords, throttle)
        self.addresses = Addresses(store, settings, keys, throttle)
        self.lifecycle = Lifecycle(store, settings)
        self.administration = Administration(store, settings)
        self.accounts = Accounts(store, settings, passwords, throttle)
        self.passkeys = Passkeys(store, settings, keys, throttle)
        self.factors = Factors(store, settings, keys)
        self.proofs = Proofs(store, settings, keys, passwords, throttle, self.passkeys)
        self.sessions = Sessions(store, settings, keys, passwords, throttle, self.passkeys)
        self.providers = Providers(store, settings, keys, passwords, throttle, self.sessions)
        self.workspaces = Workspaces(store, settings)
        self.api_keys = ApiKeys(store, settings, throttle)
