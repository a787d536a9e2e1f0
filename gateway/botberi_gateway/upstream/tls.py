"""TLS settings of a subgraph -> the context of its connections."""

import ssl
from functools import lru_cache

from botberi_gateway.config import TlsConfig


@lru_cache(maxsize=256)
def tls_context(config: TlsConfig) -> ssl.SSLContext:
    """The context, made once for equal settings. Raises `OSError` for a file that can't be read."""
    context = ssl.create_default_context(cafile=config.ca_file)
    if config.certificate_file is not None:
        context.load_cert_chain(config.certificate_file, config.key_file)
    return context
