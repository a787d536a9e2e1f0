"""Subscriptions -> results as events come: from a subgraph, or from an event source whose events name entities."""

from botberi_gateway.subscriptions.events import EventSource, SourceEvent
from botberi_gateway.subscriptions.live import Events, FeedPlan, Subscriber
from botberi_gateway.subscriptions.router import EventRouter
from botberi_gateway.subscriptions.subscribe import subscribe

__all__ = [
    "EventRouter",
    "EventSource",
    "Events",
    "FeedPlan",
    "SourceEvent",
    "Subscriber",
    "subscribe",
]
