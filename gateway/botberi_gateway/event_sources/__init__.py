"""Event sources by URL: RabbitMQ, a table of Postgres, a stream of Redis -> events for `@eventSource` subscriptions."""

from botberi_gateway.event_sources.choose import source_of

__all__ = ["source_of"]
