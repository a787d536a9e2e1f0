"""Environment -> the settings of `botberi up`, of the gateway and of parts that run on their own."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from botberi_gateway.config import TransportConfig
from botberi_gateway.transport.client import ClientResolver
from botberi_gateway.transport.origin import OriginPolicy
from shared_schema.artifacts import ArtifactSettings
from shared_schema.settings import AmqpSettings, CookieSettings, DatabaseSettings, LogSettings, StateSettings

Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[int, Field(ge=1)]


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    return (
        json.loads(value)
        if value.lstrip().startswith("[")
        else [item.strip() for item in value.split(",") if item.strip()]
    )


def _proxies(texts: tuple[str, ...]) -> tuple[str, ...]:
    ClientResolver(texts)
    return texts


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    OriginPolicy.of(TransportConfig(allowed_origins=origins))
    return origins


#: A list in one variable: `a,b` or `["a", "b"]`.
Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]

_PROJECT = Path(__file__).parents[1]


def default_state_dir() -> Path:
    """`.botberi` in the project, wherever the command is run; in the working folder where Botberi is a wheel."""
    return (_PROJECT if (_PROJECT / "pyproject.toml").is_file() else Path.cwd()) / ".botberi"


class _State(StateSettings):
    #: Where embedded parts keep data, credentials and keys. Unset: `.botberi` in the project.
    state_dir: Path = Field(default_factory=default_state_dir)


class GatewaySettings(_State, ArtifactSettings, AmqpSettings, CookieSettings):
    """Settings of `botberi gateway`; `botberi up` reads them as well."""

    #: Where the gateway listens.
    host: str = "127.0.0.1"
    #: The port it listens on.
    port: Port = 8080
    #: Identity as a service of its own (its base URL, such as http://identity:8081). Unset: in the gateway's process.
    identity_url: str | None = None
    #: The catalog as a service of its own.
    catalog_url: str | None = None
    #: The instance subgraph as a service of its own.
    instance_url: str | None = None
    #: The key with which the gateway signs who calls (PEM, Ed25519). Unset: one is made in the state folder.
    assertion_private_key_file: Path | None = None
    #: Origins beside its own from which browsers may call, with their cookies, separated by commas or as a JSON list;
    #: `*`: every origin, without cookies.
    allowed_origins: Annotated[Listed, AfterValidator(_origins)] = ()
    #: Proxies in front of the gateway, whose `X-Forwarded-For` or `Forwarded` counts: IP addresses or networks,
    #: separated by commas or as a JSON list.
    trusted_proxies: Annotated[Listed, AfterValidator(_proxies)] = ()
    #: True if GraphiQL is served at /graphql.
    graphiql: bool = True
    #: True if the reference of the graph and of each subgraph is served, at /docs.
    documents: bool = True
    #: True if clients may ask about the schema (`__schema`, `__type`). Without, GraphiQL shows no documentation.
    introspection: bool = True
    #: Objects that an answer may have, as estimated before anything is fetched.
    max_cost: Positive = 100_000
    #: Mutations in one document.
    max_mutations: Positive = 10
    #: Bytes of the subgraphs' answers to one operation, together.
    max_answer_bytes: Positive = 32 * 1024 * 1024
    #: Entities that one operation may ask subgraphs for.
    max_entities: Positive = 50_000
    #: Fields of list items that one operation may make.
    max_fields: Positive = 1_000_000
    #: Bytes of one response.
    max_response_bytes: Positive = 16 * 1024 * 1024
    #: One log line for each request.
    access_log: bool = False
    #: A file with further settings of the gateway (docs/gateway/configuration.md), in YAML or JSON.
    gateway_config: Path | None = None


class ServiceSettings(LogSettings):
    """Settings of a part as a service of its own: a subgraph listens for requests, the others for scrapes alone."""

    host: str = "127.0.0.1"
    #: Unset: 8081 identity, 8082 catalog, 8083 instance.
    port: Port | None = None
    #: Where broker, dispatcher and worker serve their metrics; unset: nowhere.
    metrics_port: Port | None = None


class UpSettings(GatewaySettings, DatabaseSettings):
    """Settings of `botberi up` beyond the gateway's."""

    #: The embedded Postgres listens here, on 127.0.0.1.
    postgres_port: Port = 54320
    #: Make the development admin and user, whose passwords are kept in the state folder.
    seed_accounts: bool = True

    @property
    def peoples_url(self) -> str:
        """Address at which people reach the platform, for links that leave it and for passkeys, which need a name."""
        host = self.host
        if host in ("0.0.0.0", "::", "127.0.0.1", "::1"):  # noqa: S104 - compared, not bound
            host = "localhost"
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


class SeedSettings(_State, DatabaseSettings, LogSettings):
    """Settings of `botberi seed`."""

    #: Make the development admin and user, whose passwords are kept in the state folder.
    seed_accounts: bool = True


class BackupSettings(_State, DatabaseSettings, ArtifactSettings):
    """Settings of `botberi backup` and `botberi restore`."""


class EventsSettings(_State, DatabaseSettings, AmqpSettings):
    """Settings of `botberi events`."""
