"""RabbitMQ's exchange, its queues and their dead letters, as data; and how topics match."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

EXCHANGE: Final = "event_bus"
UNROUTED: Final = "event_bus.unrouted"
DEAD_EXCHANGE: Final = "event_bus.dead"

UNROUTED_LIMIT: Final = 10_000
DEAD_LIMIT: Final = 10_000
# The broker counts deliveries over crashes of consumers; RabbitMQ before 4.0 has no limit of its own.
# One process tries several times within a delivery, see `delivery.RetryPolicy`.
DELIVERY_LIMIT: Final = 5
# To look at a dead letter is to take it and give it back. RabbitMQ 4 counts that, and would throw it away in the end.
LOOKS_AT_A_DEAD_LETTER: Final = 1_000_000
# A process's fan-out queue outlives a broken connection by this; then its followers get a gap.
FANOUT_EXPIRES_SECONDS: Final = 60
FANOUT_LIMIT: Final = 50_000


@dataclass(frozen=True, slots=True)
class ExchangeSpec:
    """An exchange; all are durable."""

    name: str
    kind: Literal["topic", "direct", "fanout"]
    alternate: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments with which RabbitMQ declares it."""
        return {"alternate-exchange": self.alternate} if self.alternate else {}


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A consumer's durable queue, and its dead letters'. Consumers of one queue compete."""

    name: str
    topics: tuple[str, ...]

    @property
    def dead_name(self) -> str:
        """Name of the queue for messages that no attempt could handle."""
        return f"{self.name}.dead"

    def arguments(self) -> dict[str, Any]:
        """Return the arguments with which RabbitMQ declares it."""
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_EXCHANGE,
            "x-dead-letter-routing-key": self.dead_name,
            # Dead letters move with confirms; that needs a queue that refuses rather than drops.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }


@dataclass(frozen=True, slots=True)
class Declared:
    """A queue as it is declared on the broker: all are durable."""

    name: str
    arguments: Mapping[str, Any]
    #: Exchange and routing key (or pattern) of each binding.
    bindings: tuple[tuple[str, str], ...]


#: In the order in which they are declared: an alternate exchange before who names it.
EXCHANGES: Final = (
    ExchangeSpec(UNROUTED, "fanout"),
    ExchangeSpec(DEAD_EXCHANGE, "direct"),
    ExchangeSpec(EXCHANGE, "topic", alternate=UNROUTED),
)

#: The consumers' queues. Every process declares them at its start, so that what happens before their consumer's first
#: start waits for it. A queue that `consume` names and this does not know is declared there.
QUEUES: Final = (
    QueueSpec("agents-dispatcher", ("instance.created",)),
    QueueSpec("audit-trail", ("audit.recorded",)),
)

#: What no queue asked for lands here (bounded), so that every publish is routed somewhere and an unroutable one is a
#: mistake in the topology, not the normal fate of a topic without followers.
UNROUTED_QUEUE: Final = Declared(
    UNROUTED,
    {"x-queue-type": "quorum", "x-max-length": UNROUTED_LIMIT, "x-overflow": "drop-head"},
    ((UNROUTED, ""),),
)


def declared(spec: QueueSpec) -> tuple[Declared, Declared]:
    """Return a consumer's two queues, that of the dead letters first: it must be there for the other's."""
    dead = {
        "x-queue-type": "quorum",
        "x-delivery-limit": LOOKS_AT_A_DEAD_LETTER,
        # When it is full its queue keeps what is dead: somebody has to look, nothing is thrown away.
        "x-max-length": DEAD_LIMIT,
        "x-overflow": "reject-publish",
    }
    return (
        Declared(spec.dead_name, dead, ((DEAD_EXCHANGE, spec.dead_name),)),
        Declared(spec.name, spec.arguments(), tuple((EXCHANGE, topic) for topic in spec.topics)),
    )


def queue_spec(name: str, topics: Iterable[str]) -> QueueSpec:
    """Return the queue's description, checking its names."""
    if not name or len(name.encode()) > 200:
        raise ValueError(f"not a queue name: {name!r}")
    checked = tuple(topics)
    if not checked:
        raise ValueError(f"queue {name} follows no topics")
    for topic in checked:
        check_pattern(topic)
    return QueueSpec(name, checked)


def check_pattern(pattern: str) -> None:
    """Raise `ValueError` unless the text is a topic pattern as AMQP has them."""
    if not pattern or len(pattern.encode()) > 255 or any(not word for word in pattern.split(".")):
        raise ValueError(f"not a topic pattern: {pattern!r}")
    for word in pattern.split("."):
        if ("*" in word or "#" in word) and len(word) > 1:
            raise ValueError(f"not a topic pattern: {pattern!r} (a wildcard stands for whole words)")


@lru_cache(maxsize=4096)
def matches(pattern: str, topic: str) -> bool:
    """True if a topic is one of the pattern's: `*` is one word, `#` any number of words."""
    return _matches(tuple(pattern.split(".")), tuple(topic.split(".")))


def _matches(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    # Dynamic programming over the pattern: `#.#.#…` must not cost exponential time.
    reached = [True] + [False] * len(words)
    for part in pattern:
        if part == "#":
            for index in range(1, len(reached)):
                reached[index] = reached[index] or reached[index - 1]
        else:
            reached = [False] + [reached[index] and part in ("*", words[index]) for index in range(len(words))]
    return reached[-1]
