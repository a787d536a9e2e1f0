"""A stream of Redis: entries with the fields `topic` and `payload` (JSON), as `XADD` writes them."""

from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

from botberi_gateway.config import EventSourceConfig
from botberi_gateway.errors import EventSourceError
from botberi_gateway.event_sources.message import event_of
from botberi_gateway.event_sources.reader import LogSource
from botberi_gateway.subscriptions.events import SourceEvent

_BLOCK_MILLISECONDS: Final = 1_000
_BATCH: Final = 500
_TIMEOUT_SECONDS: Final = 10.0


class RedisSource(LogSource):
    """The stream that the configuration names."""

    def __init__(self, config: EventSourceConfig) -> None:
        super().__init__(config)
        self._url, self._stream = config.url or "", config.stream
        self._redis: Redis | None = None
        self._position: str | None = None

    def forget(self) -> None:
        """See `LogSource`."""
        self._position = None

    async def connect(self) -> None:
        """See `LogSource`."""
        redis = self._redis = Redis.from_url(
            self._url, socket_connect_timeout=_TIMEOUT_SECONDS, socket_timeout=_TIMEOUT_SECONDS
        )
        last: Any = await redis.xrevrange(self._stream, count=1)
        if self._position is None:
            self._position = last[0][0].decode() if last else "0-0"
            return
        first: Any = await redis.xrange(self._stream, count=1)
        if first and _number(first[0][0].decode()) > _number(self._position) and self._position != "0-0":
            # Trimmed while the connection was lost: what stood between may have been an event.
            self._position = None
            raise EventSourceError("The stream was trimmed beyond the reader's position.")

    async def read(self) -> Sequence[SourceEvent]:
        """See `LogSource`."""
        assert self._redis is not None
        streams: Any = {self._stream: self._position}
        answer: Any = await self._redis.xread(streams, count=_BATCH, block=_BLOCK_MILLISECONDS)
        events: list[SourceEvent] = []
        for _, entries in answer.items() if isinstance(answer, dict) else answer or ():
            for identifier, fields in _flat(entries):
                self._position = identifier.decode()
                topic, payload = fields.get(b"topic", b""), fields.get(b"payload", b"")
                event = event_of(topic.decode("utf-8", "replace"), payload)
                if event is not None:
                    events.append(event)
        return events

    async def disconnect(self) -> None:
        """See `LogSource`."""
        redis, self._redis = self._redis, None
        if redis is not None:
            await redis.aclose()


def _flat(entries: Any) -> Any:
    """The entries of one stream: newer protocols of Redis have them in a further list."""
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _number(identifier: str) -> tuple[int, int]:
    milliseconds, _, number = identifier.partition("-")
    return int(milliseconds), int(number or 0)
