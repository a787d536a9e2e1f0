"""What the tasks of one worker process share: settings, connections, the storage, the way mails go."""

from __future__ import annotations

from functools import cached_property, lru_cache

from shared_schema.artifacts import Storage, make_storage
from shared_schema.database import PoolOptions, SyncDatabase
from shared_schema.links import Keys
from workers.identity.carrier import Carrier, make_carrier
from workers.settings import IdentityWorkerSettings


class Tools:
    """One for the process; threads share it."""

    def __init__(self, settings: IdentityWorkerSettings) -> None:
        self.settings = settings
        options = PoolOptions(
            pool_size=settings.identity_worker_concurrency,
            max_overflow=2,
            # A mail's row stays locked while the server takes the mail.
            idle_in_transaction_timeout_seconds=settings.mail_timeout_seconds + 30,
            application_name="botberi-identity-worker",
        )
        self.accounts = SyncDatabase(settings.require_user_database_url(), options)
        self.shared = SyncDatabase(settings.require_shared_database_url(), options)

    @cached_property
    def keys(self) -> Keys:
        """Signs the links."""
        return self.settings.keys()

    @cached_property
    def carrier(self) -> Carrier:
        """Takes finished mails."""
        return make_carrier(self.settings)

    @cached_property
    def storage(self) -> Storage:
        """Where exports are kept."""
        return make_storage(self.settings)

    def close(self) -> None:
        """Close the connections."""
        self.accounts.close()
        self.shared.close()


@lru_cache(maxsize=1)
def tools() -> Tools:
    """Those of this process, made by its environment."""
    return Tools(IdentityWorkerSettings())
