"""Addresses of both databases -> each part's URLs for them: on the embedded server each part has its own role."""

from dataclasses import dataclass
from typing import Final

from botberi.postgres import DATABASES, EmbeddedPostgres
from shared_schema import roles

#: A part of the platform -> its role.
ROLES: Final = {
    "identity": roles.IDENTITY,
    "catalog": roles.CATALOG,
    "catalog-tasks": roles.CATALOG,
    "instance": roles.INSTANCE,
    "broker": roles.BROKER,
    "audit": roles.BROKER,
    "dispatcher": roles.DISPATCHER,
    "reaper": roles.DISPATCHER,
    "worker": roles.WORKER,
    "identity-worker": roles.IDENTITY_WORKER,
}


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """`user_psql` and `shared_psql`."""

    #: With these databases are migrated and seeded. Of a server that is not ours: what the environment says.
    owner: tuple[str, str]
    server: EmbeddedPostgres | None = None

    @classmethod
    def embedded(cls, server: EmbeddedPostgres) -> "DatabaseUrls":
        """Those of the server of the state folder, which runs."""
        return cls((server.url(DATABASES[0]), server.url(DATABASES[1])), server)

    def of(self, part: str) -> tuple[str, str]:
        """The URLs for one part."""
        if self.server is None:
            return self.owner
        user, shared = (self.server.role_url(ROLES[part], database) for database in DATABASES)
        return user, shared
