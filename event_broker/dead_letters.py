"""A RabbitMQ URL and a queue -> its dead letters, to look at and to send to their queue once more."""

import hashlib
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aio_pika
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from pamqp.commands import Basic

from event_broker.bus import BusError, BusUnavailable, PublishError
from event_broker.consumer import ATTEMPTS_HEADER, DIED_HEADER, REASON_HEADER
from event_broker.link import LinkOptions, close_connection, describe, open_connection
from event_broker.topology import QueueSpec
from shared_schema.contracts.events import Event

REDRIVEN_HEADER: Final = "x-botberi-redriven"
# A dead letter's history ends with its second life; the broker writes a new x-death when it dies again.
_HISTORY: Final = ("x-death", "x-first-death", "x-last-death", "x-delivery-count", "x-acquired-count")
_OURS: Final = (ATTEMPTS_HEADER, DIED_HEADER, REASON_HEADER)


class NoSuchQueue(BusError):
    """RabbitMQ has no such queue of dead letters."""

    code = "NO_SUCH_QUEUE"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a consumer gave up, as far as it can be read."""

    id: str
    event_type: str
    #: None when the body is no event.
    event: Event | None
    reason: str
    attempts: int | None
    died: str | None
    #: How often it was sent to its queue again before.
    redriven: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Redriven:
    """Result of a redrive: messages sent to their queue again, and ids that were asked for and not found."""

    sent: int
    missing: tuple[str, ...]


class DeadLetters:
    """The dead letters of one queue, in the order of their deaths.

    Who looks takes all messages (there are `topology.DEAD_LIMIT` at most) and gives them back; the broker puts them
    behind whatever came meanwhile, so the queue's own order says nothing.
    """

    def __init__(self, url: str, queue: str, options: LinkOptions | None = None) -> None:
        self._url = url
        self._spec = QueueSpec(queue, ())
        self._options = options or LinkOptions()

    async def read(self, limit: int) -> list[DeadLetter]:
        """Return the oldest letters. Raises `NoSuchQueue`, `BusUnavailable`."""
        async with self._taking() as (_, messages):
            return [_letter(message) for message in messages[:limit]]

    async def redrive(self, ids: Collection[str] | None, limit: int) -> Redriven:
        """Send letters (those of some ids, or all) to their queue again: confirmed there first, then gone from here.

        A crash in between leaves a letter in both places; consumers know it by its id. Raises `NoSuchQueue`,
        `BusUnavailable`, `PublishError` when the queue does not take one (those sent before stay sent).
        """
        selected = None if ids is None else set(ids)
        sent = 0
        async with self._taking() as (channel, messages):
            # Those that were there: one that dies again at once comes back behind them.
            for message in messages:
                letter_id = _id(message)
                if sent == limit or selected == set():
                    break
                if selected is not None and letter_id not in selected:
                    continue
                await self._send(channel, message)
                await message.ack()
                sent += 1
                if selected is not None:
                    selected.discard(letter_id)
        return Redriven(sent, tuple(sorted(selected or ())))

    async def _send(self, channel: AbstractChannel, message: AbstractIncomingMessage) -> None:
        headers = {name: value for name, value in message.headers.items() if not _is_history(name)}
        again = Message(
            message.body,
            headers={**headers, REDRIVEN_HEADER: _number(message.headers, REDRIVEN_HEADER) + 1},
            delivery_mode=DeliveryMode.PERSISTENT,
            content_type=message.content_type,
            message_id=message.message_id,
            type=message.type,
            timestamp=message.timestamp,
        )
        try:
            # To the one queue whose consumer gave it up: the others have had it.
            answer = await channel.default_exchange.publish(
                again, routing_key=self._spec.name, mandatory=True, timeout=self._options.operation_timeout
            )
        except (aio_pika.exceptions.AMQPError, OSError, RuntimeError, TimeoutError) as error:
            raise PublishError(f"{_id(message)} was not confirmed: {describe(error)}") from error
        if not isinstance(answer, Basic.Ack):
            raise PublishError(f"there is no queue {self._spec.name} to take {_id(message)}")

    @asynccontextmanager
    async def _taking(self) -> AsyncIterator[tuple[AbstractChannel, list[AbstractIncomingMessage]]]:
        connection = await open_connection(self._url, "botberi-dead-letters", self._options)
        try:
            # What is taken and not acknowledged goes back when the channel ends.
            channel = await connection.channel(publisher_confirms=True)
            queue = await channel.declare_queue(self._spec.dead_name, passive=True)
            messages = [message async for message in _take(queue, queue.declaration_result.message_count or 0)]
            yield channel, sorted(messages, key=lambda message: (_died(message.headers) or "", _id(message)))
        except aio_pika.exceptions.ChannelNotFoundEntity as error:
            raise NoSuchQueue(f"RabbitMQ has no queue {self._spec.dead_name}") from error
        except (aio_pika.exceptions.AMQPError, OSError, TimeoutError) as error:
            raise BusUnavailable(describe(error)) from error
        finally:
            await close_connection(connection)


async def _take(queue: AbstractQueue, count: int) -> AsyncIterator[AbstractIncomingMessage]:
    for _ in range(count):
        message = await queue.get(fail=False)
        if message is None:
            return
        yield message


def _letter(message: AbstractIncomingMessage) -> DeadLetter:
    try:
        event = Event.from_json(message.body)
    except ValueError:
        event = None
    reason = message.headers.get(REASON_HEADER)
    return DeadLetter(
        id=_id(message),
        event_type=event.type if event else (message.type or "?"),
        event=event,
        reason=str(reason) if reason else _broker_reason(message.headers),
        attempts=_number(message.headers, ATTEMPTS_HEADER) or None,
        died=_died(message.headers),
        redriven=_number(message.headers, REDRIVEN_HEADER),
        body=message.body,
    )


def _id(message: AbstractIncomingMessage) -> str:
    # One without an id has the same name each time it is looked at.
    return message.message_id or f"sha256:{hashlib.sha256(message.body).hexdigest()[:16]}"


def _is_history(name: str) -> bool:
    return name in _OURS or name.startswith(_HISTORY)


def _number(headers: Mapping[str, Any], name: str) -> int:
    value = headers.get(name)
    return value if isinstance(value, int) else 0


def _broker_reason(headers: Mapping[str, Any]) -> str:
    reason = _death(headers).get("reason")
    if reason == "delivery_limit":
        return "its consumers died or lost their connection with it, time after time"
    return f"the broker's: {reason}" if reason else "unknown"


def _died(headers: Mapping[str, Any]) -> str | None:
    if DIED_HEADER in headers:
        return str(headers[DIED_HEADER])
    moment = _death(headers).get("time")
    return moment.isoformat() if isinstance(moment, datetime) else None


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    deaths = headers.get("x-death")
    newest = deaths[0] if isinstance(deaths, list) and deaths else {}
    return newest if isinstance(newest, dict) else {}
