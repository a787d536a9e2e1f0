"""The platform's settings, and a file beside them -> the configuration of its gateway.

The same loader and the same checks as `botberi-gateway serve --config`: the tree's other values come from the file of
`BOTBERI_GATEWAY_CONFIG` or from variables such as `BOTBERI_GATEWAY__ENGINE__OPERATION__MAX_DEPTH`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from botberi.run.errors import StartError
from botberi.settings import GatewaySettings
from botberi.table import FIRST_QUERY
from botberi.wiring.supergraph import engine_config
from botberi_gateway.config import GatewayConfig, ServerConfig, TransportConfig
from botberi_gateway.config.load import load
from botberi_gateway.config.problem import ConfigError, Problem
from botberi_gateway.server.checks import CHECKS
from shared_schema.contracts.assertion import HEADER

#: Subgraph -> response headers that reach the client: only identity may set the session's cookie.
_RESPONSE_HEADERS: Final[Mapping[str, Sequence[str]]] = {"identity": ("set-cookie",)}
#: What the platform decides itself: its own settings say where it listens and how it logs, its parts are its graph, and
#: these headers are what it stands on.
_OWN: Final = (
    "watch",
    "graph",
    "graphs",
    "log",
    "server.host",
    "server.port",
    "server.workers",
    "server.path",
    "transport.internal_headers",
    "transport.response_headers",
)


def gateway_config(settings: GatewaySettings) -> GatewayConfig:
    """The whole configuration. Raises `StartError` with everything that is wrong with the file or the variables."""
    transport = TransportConfig(
        # The verifier answers from memory for a second; an event is not delivered on an answer that is older.
        max_check_age_seconds=0.0,
        allowed_origins=settings.allowed_origins,
        trusted_proxies=settings.trusted_proxies,
        public_url=settings.public_url or _own_url(settings),
        internal_headers=(HEADER,),
        response_headers=_RESPONSE_HEADERS,
        graphiql=settings.graphiql,
        graphiql_query=f"# Ctrl-Enter runs it.\n{FIRST_QUERY}\n",
    )
    server = ServerConfig(access_log=settings.access_log, drain_timeout_seconds=8.0)
    base = replace(GatewayConfig(), server=server, transport=transport, engine=engine_config(settings))
    try:
        loaded = load(settings.gateway_config, environ=os.environ, base=base, checks=CHECKS)
        taken = {path: origin for path, origin in loaded.origins.items() if _is_own(path)}
        if taken:
            raise ConfigError(Problem(path, "the platform sets this itself", origin) for path, origin in taken.items())
    except ConfigError as error:
        raise StartError(f"The gateway's configuration can't be used:\n{error}") from None
    return loaded.config


def _is_own(path: str) -> bool:
    return any(path == own or path.startswith((f"{own}.", f"{own}[")) for own in _OWN)


def _own_url(settings: GatewaySettings) -> str | None:
    """Address on which it listens; None where it listens on all, of which any may be the one that clients know."""
    if settings.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return None
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"
