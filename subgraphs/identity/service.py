"""Identity's service in three parts, which share how passwords are hashed and how tries are counted."""

from __future__ import annotations

from subgraphs.common.context import Store
from subgraphs.identity.accounts import Accounts
from subgraphs.identity.api_keys import ApiKeys
from subgraphs.identity.passwords import Passwords
from subgraphs.identity.sessions import Sessions
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Throttle


class IdentityService:
    """Accounts, sessions and keys: the rules, each mutation in one unit of work; one for the process."""

    def __init__(self, store: Store, settings: IdentitySettings, passwords: Passwords) -> None:
        throttle = Throttle(store)
        self.accounts = Accounts(store, settings, passwords, throttle)
        self.sessions = Sessions(store, settings, passwords, throttle)
        self.api_keys = ApiKeys(store, settings, throttle)
