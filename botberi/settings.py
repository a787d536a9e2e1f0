"""Environment -> the settings of `botberi up`, of the gateway and of parts that run on their own."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared_schema.settings import AmqpSettings, DatabaseSettings, LogSettings, StateSettings

Port = Annotated[int, Field(ge=1, le=65535)]


class GatewaySettings(StateSettings, AmqpSettings, LogSettings):
    """What `botberi gateway` reads; `botberi up` reads it as well."""

    #: Where the gateway listens.
    host: str = "127.0.0.1"
    port: Port = 8080
    #: Subgraphs as services of their own (base URLs, such as http://identity:8081). Unset: in the gateway's process.
    identity_url: str | None = None
    catalog_url: str | None = None
    instance_url: str | None = None
    #: The key with which the gateway signs who calls (PEM, Ed25519). Unset: one is made in the state folder.
    assertion_private_key_file: Path | None = None
    #: Origins beside its own from which browsers may call, as a JSON list.
    allowed_origins: tuple[str, ...] = ()
    #: Whether GraphiQL and introspection's page are served at /graphql.
    graphiql: bool = True


class ServiceSettings(LogSettings):
    """What a subgraph as a service of its own listens on; each has its own default port."""

    host: str = "127.0.0.1"
    port: Port | None = None


class UpSettings(GatewaySettings, DatabaseSettings):
    """What `botberi up` reads beyond the gateway's."""

    #: The embedded Postgres listens here, on 127.0.0.1.
    postgres_port: Port = 54320
    #: Celery's broker where it is not the bus's RabbitMQ or the shared database.
    celery_broker_url: Annotated[str | None, Field(repr=False)] = None
    #: Runs computed at once.
    worker_concurrency: Annotated[int, Field(ge=1, le=64)] = 2


class SeedSettings(StateSettings, DatabaseSettings, LogSettings):
    """What `botberi seed` reads."""

    #: Whether to make the development admin and user, whose passwords are kept in the state folder.
    seed_accounts: bool = True
