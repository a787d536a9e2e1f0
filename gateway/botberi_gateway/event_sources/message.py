"""A message of a bus -> an event about an entity.

The message is a JSON object. Its values that are texts, numbers or booleans are the event's attributes, among them the
entity's key fields. Of an envelope as CloudEvents has it (`specversion`), the object is in `data`.
"""

import logging
from typing import Any

from botberi_gateway.codec import CodecError, decode
from botberi_gateway.subscriptions.events import SourceEvent

logger = logging.getLogger(__name__)


def event_of(topic: str, body: bytes) -> SourceEvent | None:
    """The event; None for a message that is none, which is logged."""
    try:
        value: Any = decode(body)
    except CodecError:
        logger.warning("a message on %.200r is no JSON and was left out", topic)
        return None
    if isinstance(value, dict) and "specversion" in value:
        value = value.get("data")
    if not isinstance(value, dict):
        logger.warning("a message on %.200r is no JSON object and was left out", topic)
        return None
    attributes = {name: item for name, item in value.items() if isinstance(item, str | int | float)}
    return SourceEvent(topic, attributes, attributes)
