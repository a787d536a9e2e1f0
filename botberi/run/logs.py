"""Log records of every part -> one stream of lines, each saying which part it is."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import datetime
from typing import Final, TextIO

from botberi_gateway import logs

_current: ContextVar[str | None] = ContextVar("botberi_part", default=None)

#: Whose line it is, by the longest logger name that fits; others belong to the part whose task logs them.
_OWNERS: Final = {
    "subgraphs.identity": "identity",
    "subgraphs.catalog": "catalog",
    "subgraphs.instance": "instance",
    "event_broker": "broker",
    "workers.dispatch": "dispatcher",
    "workers.reaper": "reaper",
    "botberi_gateway": "gateway",
    "uvicorn": "gateway",
    "botberi.postgres": "postgres",
}
#: Loggers that say much below the level that matters to the platform's operator.
_QUIET: Final = {
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "aiormq": logging.WARNING,
    "aio_pika": logging.WARNING,
    "alembic": logging.WARNING,
    "httpx": logging.WARNING,
}


@contextlib.contextmanager
def speaking_as(part: str) -> Iterator[None]:
    """Log lines of this task, and of the tasks it makes, are `part`'s."""
    token = _current.set(part)
    try:
        yield
    finally:
        _current.reset(token)


def part_of(record: logging.LogRecord) -> str:
    """The part a record belongs to."""
    part = getattr(record, "part", None)
    if isinstance(part, str):
        return part
    name = record.name
    if name == "uvicorn" or name.startswith("uvicorn."):
        # A subgraph as a service of its own is served by uvicorn as well.
        return _current.get() or "gateway"
    while name:
        if name in _OWNERS:
            return _OWNERS[name]
        name = name.rpartition(".")[0]
    return _current.get() or "botberi"


def extras_of(record: logging.LogRecord) -> dict[str, object]:
    """Values of `extra=`, without what the gateway's access lines repeat of their message."""
    return {name: value for name, value in logs.extras_of(record).items() if name not in ("part", "data")}


def _one_line(text: str) -> str:
    """Join lines, so that text from outside can't start a line that looks like another record."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


class TextFormatter(logging.Formatter):
    """`12:00:01.123 info    gateway    message`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line for a person."""
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        pairs = "".join(f" {name}={value}" for name, value in extras_of(record).items())
        line = f"{at} {record.levelname.lower():<8} {part_of(record):<10} {_one_line(record.getMessage() + pairs)}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logs.JsonFormatter):
    """The gateway's JSON lines, with the part of the platform."""

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """Further fields of the line."""
        return {"part": part_of(record), **_trace(), **extras_of(record)}


def _trace() -> dict[str, object]:
    """The W3C trace of whatever logs. A gateway alone has no such module, and does not load it for this."""
    origin = sys.modules.get("shared_schema.origin")
    current = origin.current() if origin is not None else None
    return {"traceparent": current.traceparent} if current is not None and current.traceparent else {}


def configure(log_format: str, level: str, stream: TextIO | None = None) -> None:
    """Install the one handler; what was configured before is replaced."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, quiet in _QUIET.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(quiet, root.level))
