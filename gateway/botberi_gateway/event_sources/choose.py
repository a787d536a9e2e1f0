"""The configuration -> the event source that it names."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from botberi_gateway.config import EventSourceConfig
from botberi_gateway.subscriptions.events import EventSource

#: Scheme of the URL -> the extra of the distribution that has its library.
EXTRAS: Final[Mapping[str, str]] = {
    "amqp": "amqp",
    "amqps": "amqp",
    "postgres": "postgres",
    "postgresql": "postgres",
    "redis": "redis",
    "rediss": "redis",
}


def source_of(config: EventSourceConfig) -> EventSource | None:
    """The source at the configuration's URL; None where it has none.

    Raises `ValueError` for a URL of another kind, or one whose library isn't installed.
    """
    if not config.url:
        return None
    extra = EXTRAS.get(urlsplit(config.url).scheme)
    if extra is None:
        # Not the URL itself, which may have a password.
        raise ValueError(f"an event source's URL begins with one of {', '.join(f'{name}://' for name in EXTRAS)}")
    try:
        return _made(extra, config)
    except ImportError as error:
        raise ValueError(f"this event source needs botberi-gateway[{extra}] to be installed") from error


def _made(extra: str, config: EventSourceConfig) -> EventSource:
    if extra == "amqp":
        from botberi_gateway.event_sources.amqp import AmqpSource

        return AmqpSource(config)
    if extra == "postgres":
        from botberi_gateway.event_sources.postgres import PostgresSource

        return PostgresSource(config)
    from botberi_gateway.event_sources.redis import RedisSource

    return RedisSource(config)
