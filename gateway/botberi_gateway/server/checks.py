"""What the rooms above the configuration say about its values: the checks that every way of loading it applies."""

from botberi_gateway.config import TransportConfig
from botberi_gateway.config.load import Checks
from botberi_gateway.event_sources import source_of
from botberi_gateway.plugins import check_plugins
from botberi_gateway.transport.client import ClientResolver
from botberi_gateway.transport.header_rules import RequestRules, ResponseRules
from botberi_gateway.transport.identity import check_forwarded
from botberi_gateway.transport.origin import OriginPolicy


def _transport(transport: TransportConfig) -> None:
    OriginPolicy.of(transport)
    internal = frozenset(name.lower() for name in transport.internal_headers)
    check_forwarded(transport.forward_headers, internal)
    RequestRules(transport.headers, internal)


def _public_url(url: str | None) -> None:
    if url is not None and not url.lower().startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is no http or https URL")


#: Path -> raises `ValueError`.
CHECKS: Checks = {
    "engine.event_source": source_of,
    "plugins": check_plugins,
    "transport.trusted_proxies": ClientResolver,
    "transport.public_url": _public_url,
    "transport": _transport,
    "transport.headers": ResponseRules,
}
