"""Outboxes -> bus -> consumers and followers: at least once, in order per aggregate."""

from event_broker.bus import (
    Bus,
    BusError,
    BusUnavailable,
    Consumer,
    FollowLost,
    Handler,
    PublishError,
    TopologyMismatch,
)
from event_broker.factory import make_bus
from event_broker.service import EventBroker
from event_broker.settings import EventBrokerSettings

__all__ = [
    "Bus",
    "BusError",
    "BusUnavailable",
    "Consumer",
    "EventBroker",
    "EventBrokerSettings",
    "FollowLost",
    "Handler",
    "PublishError",
    "TopologyMismatch",
    "make_bus",
]
