"""Settings -> where and how a worker's log lines go: text or JSON, one line each, to standard error."""

from __future__ import annotations

import logging
from typing import Literal, Protocol

from botberi_gateway import logs


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in logs.extras_of(record).items() if name != "data"}


class TextFormatter(logging.Formatter):
    """`time LEVEL logger message key=value …`, in one line unless there is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        pairs = " ".join(f"{name}={value}" for name, value in _extras(record).items())
        head, newline, rest = line.partition("\n")
        return f"{head} {pairs}{newline}{rest}" if pairs else line


class JsonFormatter(logs.JsonFormatter):
    """The gateway's JSON lines, as lines of a worker or of beat."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """Further fields of the line."""
        return {"part": self._part, **_extras(record)}


class LogChoice(Protocol):
    """The part of `LogSettings` that counts here."""

    @property
    def log_format(self) -> Literal["text", "json"]: ...
    @property
    def log_level(self) -> str: ...


def configure_logging(settings: LogChoice, part: str = "worker") -> None:
    """Send every log line of this process to standard error; `part` is what JSON lines call it."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonFormatter(part)
        if settings.log_format == "json"
        else TextFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for chatty in ("celery.worker.strategy", "celery.app.trace", "amqp", "pgmq", "psycopg"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def brief(error: BaseException) -> str:
    """An error in one line of a log."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:300]
